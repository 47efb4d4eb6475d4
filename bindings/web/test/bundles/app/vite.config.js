export default {
  optimizeDeps: { exclude: ["@quotapass/web"] },
};

#!/usr/bin/env bash
# Holds a whole ceremony of one person, with snarkjs and quotapass in turn, and installs its keys. It is a test of the
# procedure. The person who runs it could forge proofs, so nothing of value may depend on its keys.
#
#   contrib/ceremony.sh FOLDER [CIRCUIT...]
#
# FOLDER must not exist; all files go there. Without circuits it holds the ceremony of all. The programs are $QUOTAPASS and
# $SNARKJS, or those in the path. It takes some minutes, and much longer with record128, which needs more powers of tau.
set -euo pipefail
[[ $# -ge 1 && ! -e $1 ]] || { echo "usage: contrib/ceremony.sh FOLDER [CIRCUIT...] (FOLDER must not exist)" >&2; exit 2; }
quotapass=$(realpath "$(command -v "${QUOTAPASS:-quotapass}")")
snarkjs=$(realpath --no-symlinks "$(command -v "${SNARKJS:-snarkjs}")")
mkdir -p "$1"
cd "$1"
shift
circuits=("$@")
[[ $# -ge 1 ]] || circuits=(post badge slash author record16 record128)
power=12
named=()
for circuit in "${circuits[@]}"; do
  named+=(--circuit "$circuit")
  [[ $circuit != record128 ]] || power=16
done
beacon=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
entropy() { head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n'; }

echo "== powers of tau"
"$snarkjs" powersoftau new bn128 "$power" 0.ptau >log
"$snarkjs" powersoftau contribute 0.ptau 1.ptau --name=one "-e=$(entropy)" >>log
"$snarkjs" powersoftau beacon 1.ptau 2.ptau "$beacon" 10 --name=beacon >>log
"$snarkjs" powersoftau prepare phase2 2.ptau final.ptau >>log
hash=$(b2sum final.ptau | cut -d' ' -f1)

echo "== keys"
"$quotapass" keys new-ceremony --out ceremony "${named[@]}" >>log
for circuit in "${circuits[@]}"; do
  echo "-- $circuit"
  "$snarkjs" groth16 setup "ceremony/$circuit.r1cs" final.ptau "${circuit}_0000.zkey" >>log
  entropy | "$quotapass" keys contribute "${circuit}_0000.zkey" "${circuit}_0001.zkey" --name quotapass >>log 2>&1
  "$snarkjs" zkey contribute "${circuit}_0001.zkey" "${circuit}_0002.zkey" --name=snarkjs "-e=$(entropy)" >>log
  "$quotapass" keys beacon "${circuit}_0002.zkey" "${circuit}_final.zkey" --value "$beacon" >>log
  "$quotapass" keys check "${circuit}_final.zkey" --ptau final.ptau --ptau-hash "$hash" --require-snarkjs --snarkjs "$snarkjs"
  QUOTAPASS_DATA_DIR="$PWD/data" "$quotapass" keys install "${circuit}_final.zkey" >>log
done

echo "== installed in $PWD/data; to use these keys, set QUOTAPASS_DATA_DIR=$PWD/data and add to the configuration"
echo "trusted_keys = ["
for circuit in "${circuits[@]}"; do
  id=$("$quotapass" keys show --json "${circuit}_final.zkey" | sed --quiet 's/.*"id": *"\([0-9a-f]*\)".*/\1/p')
  echo "  \"$id\","
done
echo "]"

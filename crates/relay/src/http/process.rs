//! Metrics of this process, under the names that Prometheus's own client libraries use.

use core::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};

/// A collector that reads the metrics at each scrape. It omits the ones that the system does not provide.
#[derive(Debug)]
pub(super) struct Process;

/// The values; `None` if the system does not provide one.
#[derive(Debug, Default)]
struct Reading {
    cpu_seconds: Option<f64>,
    resident_bytes: Option<f64>,
    virtual_bytes: Option<f64>,
    open_files: Option<f64>,
    max_files: Option<f64>,
    /// In Unix seconds.
    started: Option<f64>,
}

#[cfg(target_os = "linux")]
impl Reading {
    fn now() -> Self {
        use std::fs;

        use rustix::{
            param::{clock_ticks_per_second, page_size},
            process::{Resource, getrlimit},
            time::{ClockId, clock_gettime},
        };

        let clock = |id| {
            let time = clock_gettime(id);
            time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
        };
        // The fields from the third on follow the program's name, which is in parentheses and may contain anything.
        let stat = fs::read_to_string("/proc/self/stat").ok();
        let field = |number: usize| -> Option<f64> {
            let (_, fields) = stat.as_ref()?.rsplit_once(')')?;
            fields.split_ascii_whitespace().nth(number - 3)?.parse().ok()
        };
        let since_boot = field(22).map(|ticks| ticks / clock_ticks_per_second() as f64);
        Self {
            cpu_seconds: Some(clock(ClockId::ProcessCPUTime)),
            resident_bytes: field(24).map(|pages| pages * page_size() as f64),
            virtual_bytes: field(23),
            // Minus one, because the folder itself is open while it is read.
            open_files: fs::read_dir("/proc/self/fd").ok().map(|files| files.count().saturating_sub(1) as f64),
            max_files: getrlimit(Resource::Nofile).current.map(|most| most as f64),
            started: since_boot.map(|at| clock(ClockId::Realtime) - clock(ClockId::Boottime) + at),
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Reading {
    fn now() -> Self {
        Self::default()
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let reading = Reading::now();
        if let Some(seconds) = reading.cpu_seconds {
            let counter = ConstCounter::new(seconds);
            let help = "Total user and system CPU time";
            counter.encode(encoder.encode_descriptor(
                "process_cpu",
                help,
                Some(&Unit::Seconds),
                counter.metric_type(),
            )?)?;
        }
        let gauges = [
            ("process_resident_memory", "Resident memory", Some(Unit::Bytes), reading.resident_bytes),
            ("process_virtual_memory", "Virtual memory", Some(Unit::Bytes), reading.virtual_bytes),
            ("process_open_fds", "Open files and sockets", None, reading.open_files),
            ("process_max_fds", "Maximum number of open files and sockets", None, reading.max_files),
            ("process_start_time", "Start time of the process, in Unix time", Some(Unit::Seconds), reading.started),
        ];
        for (name, help, unit, value) in gauges {
            if let Some(value) = value {
                let gauge = ConstGauge::new(value);
                gauge.encode(encoder.encode_descriptor(name, help, unit.as_ref(), gauge.metric_type())?)?;
            }
        }
        Ok(())
    }
}

-- What wrk counted, as one line of JSON. Latencies are in microseconds.
function done(summary, latency, _)
    local e = summary.errors
    io.write(string.format(
        'RESULT {"requests": %d, "seconds": %.6f, "bytes": %d, "p50": %d, "p99": %d, "errors": %d}\n',
        summary.requests, summary.duration / 1e6, summary.bytes,
        latency:percentile(50), latency:percentile(99),
        e.connect + e.read + e.write + e.status + e.timeout))
end

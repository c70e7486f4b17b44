/**
 * Airbyte's way to say that a stream waits for a limit (protocol: AirbyteStreamStatusTraceMessage). Times in
 * milliseconds since the epoch.
 */
export interface StreamStatusTrace {
  type: 'TRACE';
  trace: {
    type: 'STREAM_STATUS';
    emitted_at: number;
    stream_status: {
      stream_descriptor: { name: string };
      status: 'RUNNING';
      reasons: [{ type: 'RATE_LIMITED'; rate_limited: { quota_reset: number } }];
    };
  };
}

export function rateLimitedStatus(stream: string, nowMs: number, quotaResetMs: number): StreamStatusTrace {
  return {
    type: 'TRACE',
    trace: {
      type: 'STREAM_STATUS',
      emitted_at: nowMs,
      stream_status: {
        stream_descriptor: { name: stream },
        status: 'RUNNING',
        reasons: [{ type: 'RATE_LIMITED', rate_limited: { quota_reset: Math.ceil(quotaResetMs) } }],
      },
    },
  };
}

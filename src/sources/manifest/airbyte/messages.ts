/** Messages and catalogs of the Airbyte protocol, version 0.3.2; names are the wire's. */
export interface AirbyteStream {
  name: string;
  json_schema: Record<string, unknown>;
  supported_sync_modes: ('full_refresh' | 'incremental')[];
  source_defined_cursor?: boolean;
  default_cursor_field?: string[];
  source_defined_primary_key?: string[][];
  namespace?: string;
  is_resumable?: boolean;
  is_file_based?: boolean;
}

export interface ConfiguredStream {
  stream: AirbyteStream;
  sync_mode: 'full_refresh' | 'incremental';
  cursor_field?: string[];
  destination_sync_mode?: string;
  primary_key?: string[][];
  include_files?: boolean;
}

export interface ConfiguredCatalog {
  streams: ConfiguredStream[];
}

export interface AirbyteStreamState {
  stream_descriptor: { name: string; namespace?: string };
  stream_state?: Record<string, unknown> | null;
}

export interface AirbyteStateMessage {
  type: 'STREAM';
  stream: AirbyteStreamState;
  sourceStats?: { recordCount: number };
}

export type FailureType = 'config_error' | 'system_error' | 'transient_error';

export type AirbyteMessage =
  | { type: 'SPEC'; spec: Record<string, unknown> }
  | { type: 'CONNECTION_STATUS'; connectionStatus: { status: 'SUCCEEDED' | 'FAILED'; message?: string } }
  | { type: 'CATALOG'; catalog: { streams: AirbyteStream[] } }
  | {
      type: 'RECORD';
      record: {
        stream: string;
        namespace?: string;
        data: Record<string, unknown>;
        emitted_at: number;
        file_reference?: { staging_file_url: string; source_file_relative_path: string; file_size_bytes: number };
      };
    }
  | { type: 'STATE'; state: AirbyteStateMessage }
  | { type: 'LOG'; log: { level: 'FATAL' | 'ERROR' | 'WARN' | 'INFO' | 'DEBUG'; message: string } }
  | {
      type: 'CONTROL';
      control: { type: 'CONNECTOR_CONFIG'; emitted_at: number; connectorConfig: { config: Record<string, unknown> } };
    }
  | { type: 'TRACE'; trace: AirbyteTrace };

export type AirbyteTrace =
  | {
      type: 'ERROR';
      emitted_at: number;
      error: {
        message: string;
        internal_message?: string;
        failure_type: FailureType;
        stream_descriptor?: { name: string };
      };
    }
  | { type: 'ESTIMATE'; emitted_at: number; estimate: { name: string; type: 'STREAM' | 'SYNC'; row_estimate?: number } }
  | {
      type: 'STREAM_STATUS';
      emitted_at: number;
      stream_status: {
        stream_descriptor: { name: string };
        status: 'STARTED' | 'RUNNING' | 'COMPLETE' | 'INCOMPLETE';
        reasons?: { type: 'RATE_LIMITED'; rate_limited: { quota_reset: number } }[];
      };
    };

/** Where the broker says what happens: one line each, a client's fault at debug level. */
export interface Log {
  log(line: string): void;
  warn(line: string): void;
  error(line: string, error?: unknown): void;
  debug(line: string): void;
}

import { MqttError } from '../protocol/mqtt-error.js';
import { ReasonCode } from '../protocol/reason-codes.js';
import type { Limits } from './limits.js';
import { beatMs } from './silence.js';

/** Whether the process has more to do than it can: then who is connected goes before who wants to be. */
export class Overload {
  private lastBeatAt = performance.now();
  private reason: string | undefined;

  constructor(private readonly limits: Pick<Limits, 'maximumLagMs' | 'maximumMemoryBytes'>) {}

  /** The beat begins. */
  begin(): void {
    this.lastBeatAt = performance.now();
  }

  /** Once every `beatMs`. */
  onBeat(): void {
    const { maximumLagMs, maximumMemoryBytes } = this.limits;
    const now = performance.now();
    const lag = now - this.lastBeatAt - beatMs;
    this.lastBeatAt = now;
    if (maximumLagMs > 0 && lag > maximumLagMs) this.reason = `the event loop was late by ${Math.round(lag)} ms`;
    else if (maximumMemoryBytes > 0 && process.memoryUsage.rss() > maximumMemoryBytes) this.reason = 'memory is short';
    else this.reason = undefined;
  }

  /** A CONNECT came. @throws MqttError ServerBusy */
  check(): void {
    if (this.reason !== undefined) throw new MqttError(ReasonCode.ServerBusy, `the broker is busy: ${this.reason}`);
  }
}

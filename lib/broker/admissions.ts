import { MqttError } from '../protocol/mqtt-error.js';
import { ReasonCode } from '../protocol/reason-codes.js';
import type { Clock } from './clock.js';
import type { Limits } from './limits.js';

type AdmissionLimits = Pick<
  Limits,
  'maximumConnections' | 'maximumConnectionsPerAddress' | 'maximumConnectionsPerSecond'
>;

/** How many connections there are, and from where; what is too much is refused at CONNECT, where a client can be told. */
export class Admissions {
  private count = 0;
  private readonly byAddress = new Map<string, number>();
  /** CONNECTs that may come at once; as many come again in each second as may come in it. */
  private left: number;
  private countedAt: number;

  constructor(
    private readonly limits: AdmissionLimits,
    private readonly clock: Clock,
  ) {
    this.left = limits.maximumConnectionsPerSecond;
    this.countedAt = clock.now();
  }

  /** Connections, accepted or not. */
  get size(): number {
    return this.count;
  }

  /** Addresses from which there are any. */
  get addresses(): number {
    return this.byAddress.size;
  }

  /** @returns false for so many more than there may be that not even telling them is bounded */
  enter(address = ''): boolean {
    this.count++;
    this.byAddress.set(address, (this.byAddress.get(address) ?? 0) + 1);
    const { maximumConnections } = this.limits;
    return maximumConnections === 0 || this.count <= 2 * maximumConnections + refusedAtOnce;
  }

  leave(address = ''): void {
    this.count--;
    const left = this.byAddress.get(address)! - 1;
    if (left === 0) this.byAddress.delete(address);
    else this.byAddress.set(address, left);
  }

  /**
   * A CONNECT came.
   * @param address undefined for what has none, as a Unix domain socket: then there is no bound for it
   * @throws MqttError QuotaExceeded | ConnectionRateExceeded
   */
  check(address: string | undefined): void {
    const { maximumConnections, maximumConnectionsPerAddress: perAddress } = this.limits;
    if (maximumConnections > 0 && this.count > maximumConnections) {
      throw new MqttError(ReasonCode.QuotaExceeded, 'there are too many connections');
    }
    if (perAddress > 0 && address !== undefined && this.byAddress.get(address)! > perAddress) {
      throw new MqttError(ReasonCode.QuotaExceeded, 'there are too many connections from this address');
    }
    if (!this.isInTime()) {
      throw new MqttError(ReasonCode.ConnectionRateExceeded, 'too many connections come in a second');
    }
  }

  private isInTime(): boolean {
    const { maximumConnectionsPerSecond: rate } = this.limits;
    if (rate === 0) return true;
    const now = this.clock.now();
    // A system clock that is set back counts from there.
    const elapsedMs = Math.max(0, now - this.countedAt);
    this.left = Math.min(rate, this.left + (elapsedMs / 1000) * rate);
    this.countedAt = now;
    if (this.left < 1) return false;
    this.left--;
    return true;
  }
}

/** Connections beyond twice as many as there may be that get an answer. */
const refusedAtOnce = 64;

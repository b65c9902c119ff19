import { PacketType } from '../../lib/protocol/packets.js';
import { until } from './cluster.js';
import type { WireClient } from './wire-client.js';

/** Publishes numbers at QoS 1, one in flight at a time or many, and sends again on a new connection what was not acknowledged. */
export class Sender {
  acknowledged = 0;
  private goal = 0;

  constructor(private readonly node: { client(): Promise<WireClient> }) {}

  /** Resolves when so many more have been acknowledged. */
  async send(count: number): Promise<void> {
    this.goal += count;
    while (this.acknowledged < this.goal) {
      const client = await this.node.client();
      try {
        await this.sendWith(client);
      } catch (error) {
        // Withheld: the connection was closed.
        if (!String(error).includes('closed')) throw error;
      }
      client.drop();
    }
  }

  async untilAcknowledged(more: number): Promise<void> {
    const wanted = this.acknowledged + more;
    await until(() => this.acknowledged >= wanted);
  }

  private async sendWith(client: WireClient): Promise<void> {
    let sent = this.acknowledged;
    while (this.acknowledged < this.goal) {
      while (sent < this.goal && sent - this.acknowledged < 8) client.publish('a', { payload: String(sent++), qos: 1 });
      await client.expect({ type: PacketType.PUBACK });
      this.acknowledged++;
    }
  }
}

/** Numbers that may come again, but none of which may be left out. */
export class Sequence {
  next = 0;
  readonly gaps: number[] = [];

  take(numbers: readonly string[]): void {
    for (const number of numbers.map(Number)) {
      if (number > this.next) this.gaps.push(this.next);
      this.next = Math.max(this.next, number + 1);
    }
  }
}

import type { Connection } from './connection.js';

/**
 * Packets that wait for what they promise to be kept, in the order of the packets they answer.
 *
 * Arrays with room that stays: growing new ones for each tick would be a good part of what a message at QoS 1 allocates.
 */
export class HeldAnswers {
  private readonly connections: (Connection | undefined)[] = [];
  private readonly packets: (Buffer | undefined)[] = [];
  private readonly numbers: number[] = [];
  private count = 0;

  /** @param packet undefined for an acknowledgement of `number`, or, where that is 0, for the end of the connection */
  add(connection: Connection, packet: Buffer | undefined, number: number): void {
    connection.owe();
    const { count } = this;
    this.connections[count] = connection;
    this.packets[count] = packet;
    this.numbers[count] = number;
    this.count = count + 1;
  }

  /** What they promise is kept. */
  release(): void {
    this.settle(release);
  }

  /** What some of them promise is not kept: never a lie on the wire. */
  withhold(isConcerned: (connection: Connection) => boolean): void {
    this.settle((connection, packet, number) => {
      if (isConcerned(connection)) connection.withhold(packet, number);
      else release(connection, packet, number);
    });
  }

  private settle(done: (connection: Connection, packet: Buffer | undefined, number: number) => void): void {
    const { connections, packets, numbers, count } = this;
    for (let index = 0; index < count; index++) {
      const connection = connections[index]!;
      done(connection, packets[index], numbers[index]);
      connection.answered();
      connections[index] = packets[index] = undefined;
    }
    this.count = 0;
    if (count > keptRoom) connections.length = packets.length = numbers.length = 0;
  }
}

/** Room that stays after a burst. */
const keptRoom = 16_384;

/** As in `HeldAnswers.add`. */
export function release(connection: Connection, packet: Buffer | undefined, number: number): void {
  if (packet !== undefined) connection.outbox.packet(packet);
  else if (number !== 0) connection.sendAcknowledgement(number >>> 16, number & 0xffff);
  else connection.end();
}

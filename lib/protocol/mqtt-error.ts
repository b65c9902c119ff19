import { ReasonCode } from './reason-codes.js';

/**
 * The peer broke the protocol, or asked for what it may not have.
 *
 * Thrown by the decoder and by the packet handlers, caught in one place (`connection.fail`), which tells the
 * peer the reason (MQTT 5) or just closes (3.1, 3.1.1).
 * The message never holds a payload, a password or any other content of the packet.
 */
export class MqttError extends Error {
  override readonly name = 'MqttError';

  /**
   * @param reasonCode what an MQTT 5 peer is told (see `ReasonCode`)
   * @param message one sentence for the log and the Reason String
   * @param rule id of the normative statement that was broken, such as `MQTT-3.1.0-1`
   */
  constructor(
    readonly reasonCode: number,
    message: string,
    readonly rule?: string,
  ) {
    super(message);
  }
}

/** The CONNECT names a protocol or a level that is not one of the three; `level` is undefined for a foreign name. */
export class UnsupportedProtocolError extends MqttError {
  constructor(readonly level: number | undefined) {
    super(
      ReasonCode.UnsupportedProtocolVersion,
      level === undefined ? 'the protocol name is not MQTT' : `protocol level ${level} is not supported`,
      level === undefined ? 'MQTT-3.1.2-1' : 'MQTT-3.1.2-2',
    );
  }
}

/** @param rule number of the normative statement, without `MQTT-` */
export const malformed = (message: string, rule?: string): MqttError =>
  new MqttError(ReasonCode.MalformedPacket, message, rule === undefined ? undefined : `MQTT-${rule}`);

export const zeroPacketId = (packet: string): MqttError =>
  new MqttError(ReasonCode.ProtocolError, `the packet identifier of a ${packet} is 0`, 'MQTT-2.2.1-3');

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

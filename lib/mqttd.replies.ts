import { MqttRecord, RpcException, type WritePacket } from '@nestjs/microservices';
import type { MessageFields, Message } from './broker/message.js';
import type { Envelope } from './mqttd.envelope.js';
import { toldOf } from './mqttd.outcomes.js';
import { encodePayload } from './mqttd.payload.js';
import { ownProperties, type Properties } from './protocol/properties.js';

/**
 * What a requester is sent for one packet of Nest's answer; undefined where it gets nothing.
 *
 * MQTT 5: to the Response Topic, with the Correlation Data. Nest's own clients: to `<topic>/reply`, in their envelope. Other
 * clients of 3.1.1 and 3.1: to `<topic>/reply`.
 */
export function replyTo(
  request: Message,
  envelope: Envelope | undefined,
  packet: WritePacket,
): MessageFields | undefined {
  const { response, options } = recordOf(packet.response);
  const base = { qos: options.qos ?? request.qos, retain: false } as const;
  const { responseTopic } = request.properties ?? {};
  if (envelope?.id !== undefined && responseTopic === undefined) {
    const payload = JSON.stringify({ ...packet, response, ...errorOf(packet), id: envelope.id });
    return { ...base, topic: `${request.topic}/reply`, payload: Buffer.from(payload) };
  }
  const isError = packet.err !== undefined;
  const isOlder = request.publisher !== undefined && request.publisher.protocolVersion < 5;
  const topic = responseTopic ?? (isOlder ? `${request.topic}/reply` : undefined);
  if (topic === undefined || (!isError && response === undefined)) return undefined;
  const payload = encodePayload(isError ? { message: toldOf(packet.err) } : response);
  return { ...base, topic, payload, properties: propertiesOf(request, isError) };
}

function propertiesOf({ properties: { correlationData } = {} }: Message, isError: boolean): Properties | undefined {
  return ownProperties({
    ...(correlationData && { correlationData }),
    ...(isError && { userProperties: [['status', 'error']] }),
  });
}

/** As Nest's filters shape it. */
function errorOf({ err }: WritePacket): object {
  if (err === undefined) return {};
  const given: unknown = err instanceof RpcException ? err.getError() : err;
  const isShaped = typeof given === 'object' && given !== null && !(given instanceof Error);
  return { err: isShaped ? given : { status: 'error', message: toldOf(err) } };
}

function recordOf(response: unknown): { response: unknown; options: { readonly qos?: 0 | 1 | 2 } } {
  return response instanceof MqttRecord
    ? { response: response.data, options: response.options ?? {} }
    : { response, options: {} };
}

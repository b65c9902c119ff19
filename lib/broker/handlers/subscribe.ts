import { MqttError } from '../../protocol/mqtt-error.js';
import { PacketType, type QoS, type SubscribePacket, type SubscriptionRequest } from '../../protocol/packets.js';
import { ReasonCode } from '../../protocol/reason-codes.js';
import { hasWildcard, isShared, isTopicFilter, parseShare } from '../../topics/topic-names.js';
import type { Subscription } from '../../topics/topic-tree.js';
import type { Capabilities } from '../capabilities.js';
import type { Connection } from '../connection.js';
import { RetainedDelivery } from '../retained-delivery.js';

/** [MQTT-3.8.4-5] several filters are several SUBSCRIBEs with one SUBACK. */
export function handleSubscribe(connection: Connection, packet: SubscribePacket): void {
  const { maximumQoS } = connection.broker.capabilities;
  const requests = packet.subscriptions.map((request) => toSubscription(request, packet, maximumQoS));
  for (const subscription of requests) refuseUnavailable(connection, subscription);
  const verdicts = requests.map(({ filter }) => connection.broker.auth.maySubscribe(connection.client!, filter));
  if (verdicts.every((verdict) => typeof verdict === 'boolean')) {
    subscribe(connection, packet, requests, verdicts);
  } else {
    connection.park(
      Promise.all(verdicts.map(async (verdict) => verdict)).then((decided) => {
        if (connection.isOpen) subscribe(connection, packet, requests, decided);
      }),
    );
  }
}

/** @throws MqttError when the filter breaks the rules of MQTT 5, 4.7 and 4.8.2 */
function toSubscription(request: SubscriptionRequest, { properties }: SubscribePacket, maximumQoS: QoS): Subscription {
  const { filter, ...options } = request;
  if (!isTopicFilter(filter)) {
    throw new MqttError(ReasonCode.TopicFilterInvalid, 'a topic filter is not well-formed', 'MQTT-4.7.1-1');
  }
  const share = isShared(filter) ? parseShare(filter) : undefined;
  if (share && options.noLocal) {
    throw new MqttError(ReasonCode.ProtocolError, 'a shared subscription has No Local', 'MQTT-3.8.3-4');
  }
  const identifier = properties?.subscriptionIdentifiers?.[0];
  // [MQTT-3.2.2-10] any QoS may be asked for
  const qos = options.qos < maximumQoS ? options.qos : maximumQoS;
  return { ...options, qos, filter: share?.filter ?? filter, share: share?.group, identifier };
}

function subscribe(
  connection: Connection,
  packet: SubscribePacket,
  requests: readonly Subscription[],
  verdicts: readonly boolean[],
): void {
  const { broker } = connection;
  const session = connection.session!;
  const granted: Subscription[] = [];
  const retained: RetainedDelivery[] = [];
  const reasonCodes = requests.map((subscription, index) => {
    const { filter } = packet.subscriptions[index];
    const refused = verdicts[index] ? refusal(connection, filter, subscription) : ReasonCode.NotAuthorized;
    if (refused !== undefined) return toVersion(connection, refused);
    const isNew = broker.subscriptions.add(session, filter, subscription);
    granted.push(subscription);
    if (wantsRetained(subscription, isNew)) retained.push(new RetainedDelivery(broker.retained, session, subscription));
    return subscription.qos;
  });
  connection.reply({ type: PacketType.SUBACK, packetId: packet.packetId, reasonCodes });
  const sendRetained = (): void => {
    for (const delivery of retained) delivery.start();
  };
  const greeted = granted.flatMap((subscription) => broker.greet?.(connection, subscription) ?? []);
  if (greeted.length === 0 && broker.barrier.isImmediate) sendRetained();
  // Behind the SUBACK.
  else if (greeted.length === 0) void broker.barrier.kept().then(sendRetained, sendRetained);
  else void Promise.all(greeted).then(sendRetained);
}

/** [MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11]; a shared subscription gets none (MQTT 5, 4.8.2). */
const wantsRetained = ({ retainHandling, share }: Subscription, isNew: boolean): boolean =>
  share === undefined && (retainHandling === 0 || (retainHandling === 1 && isNew));

function refusal({ broker, session }: Connection, filter: string, subscription: Subscription): number | undefined {
  const { subscriptions, subscriptionBytes } = session!;
  const { maximumSubscriptions, maximumSubscriptionBytes } = broker.limits;
  const isTooMany =
    subscriptions.size >= maximumSubscriptions || subscriptionBytes + filter.length > maximumSubscriptionBytes;
  if (isTooMany && !subscriptions.has(filter)) return ReasonCode.QuotaExceeded;
  return unavailableFor(subscription, broker.capabilities);
}

/** What CONNACK said is not available (3.2.2.3.11 to 3.2.2.3.13). */
function unavailableFor({ filter, share, identifier }: Subscription, capabilities: Capabilities): number | undefined {
  if (share !== undefined && !capabilities.sharedSubscriptionAvailable) {
    return ReasonCode.SharedSubscriptionsNotSupported;
  }
  if (hasWildcard(filter) && !capabilities.wildcardSubscriptionAvailable) {
    return ReasonCode.WildcardSubscriptionsNotSupported;
  }
  if (identifier !== undefined && !capabilities.subscriptionIdentifiersAvailable) {
    return ReasonCode.SubscriptionIdentifiersNotSupported;
  }
  return undefined;
}

/** An MQTT 5 client was told in CONNACK, so asking is a protocol error; an older one gets its SUBACK. */
function refuseUnavailable({ protocolVersion, broker }: Connection, subscription: Subscription): void {
  const reasonCode = unavailableFor(subscription, broker.capabilities);
  if (reasonCode !== undefined && protocolVersion === 5) {
    throw new MqttError(reasonCode, 'a subscription asks for what is not available', 'MQTT-4.13.1-1');
  }
}

/** 3.1.1 knows one failing code; 3.1 knows none, and its clients read 0x80 as the failure it is. */
const toVersion = ({ protocolVersion }: Connection, reasonCode: number): number =>
  protocolVersion === 5 ? reasonCode : ReasonCode.UnspecifiedError;

import { MqttError } from '../../protocol/mqtt-error.js';
import { PacketType, type QoS, type SubscribePacket, type SubscriptionRequest } from '../../protocol/packets.js';
import { ReasonCode } from '../../protocol/reason-codes.js';
import { hasWildcard, isShared, isTopicFilter, parseShare } from '../../topics/topic-names.js';
import type { Subscription } from '../../topics/subscription.js';
import type { Capabilities } from '../capabilities.js';
import type { Connection } from '../connection.js';
import type { Entrance } from '../entrance.js';
import { isRefusal, type Refusal, type Welcome } from '../reception.js';
import { RetainedDelivery } from '../retained-delivery.js';

/** [MQTT-3.8.4-5] several filters are several SUBSCRIBEs with one SUBACK. */
export function handleSubscribe(connection: Connection, packet: SubscribePacket): void {
  const { broker, entrance } = connection;
  const { maximumQoS } = broker.capabilities;
  const requests = packet.subscriptions.map((request) => toSubscription(request, packet, maximumQoS, entrance));
  for (const subscription of requests) refuseUnavailable(connection, subscription);
  const verdicts = requests.map(({ filter }) => entrance.auth.maySubscribe(connection.client!, filter));
  connection.whenKnown(verdicts, (allowed) => receive(connection, packet, requests, allowed));
}

/** The application is asked about what is allowed. */
function receive(
  connection: Connection,
  packet: SubscribePacket,
  requests: readonly Subscription[],
  allowed: readonly boolean[],
): void {
  const { client, broker } = connection;
  const answers = requests.map((subscription, index) =>
    allowed[index] ? broker.reception?.subscribe(client!, subscription) : notAuthorized,
  );
  connection.whenKnown<Answer>(answers, (known) => subscribe(connection, packet, requests, known));
}

/** Of the application; undefined where it has nothing to say. */
type Answer = Refusal | Welcome | undefined;

const notAuthorized: Refusal = { reasonCode: ReasonCode.NotAuthorized };

/** @throws MqttError when the filter breaks the rules of MQTT 5, 4.7 and 4.8.2 */
function toSubscription(
  request: SubscriptionRequest,
  { properties }: SubscribePacket,
  maximumQoS: QoS,
  entrance: Entrance,
): Subscription {
  const { filter, ...options } = request;
  if (!isTopicFilter(filter) || !isTopicFilter(entrance.mountedFilter(filter))) {
    throw new MqttError(ReasonCode.TopicFilterInvalid, 'a topic filter is not well-formed', 'MQTT-4.7.1-1');
  }
  const mounted = entrance.mountedFilter(filter);
  const share = isShared(mounted) ? parseShare(mounted) : undefined;
  if (share && options.noLocal) {
    throw new MqttError(ReasonCode.ProtocolError, 'a shared subscription has No Local', 'MQTT-3.8.3-4');
  }
  const identifier = properties?.subscriptionIdentifiers?.[0];
  // [MQTT-3.2.2-10] any QoS may be asked for
  const qos = options.qos < maximumQoS ? options.qos : maximumQoS;
  return { ...options, qos, filter: share?.filter ?? mounted, share: share?.group, identifier };
}

function subscribe(
  connection: Connection,
  packet: SubscribePacket,
  requests: readonly Subscription[],
  answers: readonly Answer[],
): void {
  const { broker } = connection;
  const session = connection.session!;
  const granted: Subscription[] = [];
  const greetings: (() => void)[] = [];
  const retained: RetainedDelivery[] = [];
  const reasonCodes = requests.map((request, index) => {
    const filter = connection.entrance.mountedFilter(packet.subscriptions[index].filter);
    const answer = answers[index];
    const refused = isRefusal(answer) ? answer.reasonCode : refusal(connection, filter, request);
    if (refused !== undefined) return toVersion(connection, refused);
    const { qos = 2, greetings: sent = [] } = (answer ?? {}) as Partial<Welcome>;
    const subscription = qos < request.qos ? { ...request, qos } : request;
    const isNew = broker.subscriptions.add(session, filter, subscription);
    granted.push(subscription);
    for (const message of sent) {
      greetings.push(() => session.deliverFor(subscription, message));
    }
    if (wantsRetained(subscription, isNew)) retained.push(new RetainedDelivery(broker.retained, session, subscription));
    return subscription.qos;
  });
  connection.reply({ type: PacketType.SUBACK, packetId: packet.packetId, reasonCodes });
  for (const subscription of granted) broker.announce('subscribed', connection.client!, subscription);
  const follow = (): void => {
    if (session.connection !== connection) return;
    for (const greet of greetings) greet();
    for (const delivery of retained) delivery.start();
  };
  if (broker.barrier.isImmediate) follow();
  // Behind the SUBACK.
  else void broker.barrier.kept().then(follow, follow);
}

/** [MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11]; a shared subscription gets none (MQTT 5, 4.8.2). */
const wantsRetained = ({ retainHandling, share }: Subscription, isNew: boolean): boolean =>
  share === undefined && (retainHandling === 0 || (retainHandling === 1 && isNew));

function refusal(
  { broker, entrance, session }: Connection,
  filter: string,
  subscription: Subscription,
): number | undefined {
  const { subscriptions, subscriptionBytes } = session!;
  const { maximumSubscriptions, maximumSubscriptionBytes } = entrance.limits;
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

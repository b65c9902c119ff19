import type { Message } from './message.js';
import type { SharedSubscription } from './shared-subscription.js';

/** How far a delivery has come. */
export const DeliveryState = {
  Waiting: 0,
  /** PUBLISH sent, no PUBACK or PUBREC yet. */
  Sent: 1,
  /** PUBREC received, PUBREL sent, no PUBCOMP yet. */
  Released: 2,
  /** Acknowledged or dropped. */
  Done: 3,
} as const;
export type DeliveryState = (typeof DeliveryState)[keyof typeof DeliveryState];

/** One message as it goes out at QoS 1 or 2; receivers for whom it is the same share it. */
export class Delivery {
  private bytes = 0;

  /**
   * @param identifiers Subscription Identifiers of the matching subscriptions
   * @param share the Shared Subscription on whose behalf the client gets it
   */
  constructor(
    readonly message: Message,
    readonly qos: 1 | 2,
    readonly retain: boolean,
    readonly identifiers: readonly number[] | undefined,
    readonly share: SharedSubscription | undefined,
  ) {}

  /** Bytes that the message takes. */
  get size(): number {
    return (this.bytes ||= this.message.size);
  }
}

/** The delivery of a message; the last one is remembered, as most receivers of a message get it alike. */
export function deliveryOf(
  message: Message,
  qos: 1 | 2,
  retain: boolean,
  identifiers: readonly number[] | undefined,
  share: SharedSubscription | undefined,
): Delivery {
  const { delivery } = message;
  if (
    delivery !== undefined &&
    delivery.qos === qos &&
    delivery.retain === retain &&
    delivery.identifiers === identifiers &&
    delivery.share === share
  ) {
    return delivery;
  }
  return (message.delivery = new Delivery(message, qos, retain, identifiers, share));
}

/** A delivery, and where it is. */
export interface PlacedDelivery {
  readonly delivery: Delivery;
  readonly packetId: number;
  /** Its place among the session's messages. */
  readonly sequence: number;
  /** Its place in a store; 0 where it has none. */
  readonly place: number;
  readonly state: DeliveryState;
}

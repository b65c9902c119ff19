/** What this broker offers; MQTT 5 clients are told of whatever differs from the standard's default (3.2.2.3). */
export interface Capabilities {
  /** The highest QoS that clients may publish with; subscriptions are granted at most this. Default 2. */
  readonly maximumQoS: 0 | 1 | 2;
  /** Whether messages and wills may be retained. Default true. */
  readonly retainAvailable: boolean;
  /** Whether filters may hold `+` and `#`. Default true. */
  readonly wildcardSubscriptionAvailable: boolean;
  /** Whether a SUBSCRIBE may carry a Subscription Identifier. Default true. */
  readonly subscriptionIdentifiersAvailable: boolean;
  /** Whether filters may be `$share/group/filter`. Default true. */
  readonly sharedSubscriptionAvailable: boolean;
  /** What clients that ask for Response Information get: by convention the start of their response topics. Default none. */
  readonly responseInformation: string | undefined;
  /** Where clients that are sent to another server shall go (0x9C, 0x9D). Default none. */
  readonly serverReference: string | undefined;
  /** Whether payloads that claim to be UTF-8 are checked and refused with 0x99. Default false. */
  readonly checkPayloadFormat: boolean;
}

export const defaultCapabilities: Capabilities = {
  maximumQoS: 2,
  retainAvailable: true,
  wildcardSubscriptionAvailable: true,
  subscriptionIdentifiersAvailable: true,
  sharedSubscriptionAvailable: true,
  responseInformation: undefined,
  serverReference: undefined,
  checkPayloadFormat: false,
};

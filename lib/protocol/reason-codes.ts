/** Every Reason Code of MQTT 5 (2.4), by the name that the standard gives it. */
export const ReasonCode = {
  Success: 0x00,
  NormalDisconnection: 0x00,
  GrantedQoS0: 0x00,
  GrantedQoS1: 0x01,
  GrantedQoS2: 0x02,
  DisconnectWithWillMessage: 0x04,
  NoMatchingSubscribers: 0x10,
  NoSubscriptionExisted: 0x11,
  ContinueAuthentication: 0x18,
  ReAuthenticate: 0x19,
  UnspecifiedError: 0x80,
  MalformedPacket: 0x81,
  ProtocolError: 0x82,
  ImplementationSpecificError: 0x83,
  UnsupportedProtocolVersion: 0x84,
  ClientIdentifierNotValid: 0x85,
  BadUserNameOrPassword: 0x86,
  NotAuthorized: 0x87,
  ServerUnavailable: 0x88,
  ServerBusy: 0x89,
  Banned: 0x8a,
  ServerShuttingDown: 0x8b,
  BadAuthenticationMethod: 0x8c,
  KeepAliveTimeout: 0x8d,
  SessionTakenOver: 0x8e,
  TopicFilterInvalid: 0x8f,
  TopicNameInvalid: 0x90,
  PacketIdentifierInUse: 0x91,
  PacketIdentifierNotFound: 0x92,
  ReceiveMaximumExceeded: 0x93,
  TopicAliasInvalid: 0x94,
  PacketTooLarge: 0x95,
  MessageRateTooHigh: 0x96,
  QuotaExceeded: 0x97,
  AdministrativeAction: 0x98,
  PayloadFormatInvalid: 0x99,
  RetainNotSupported: 0x9a,
  QoSNotSupported: 0x9b,
  UseAnotherServer: 0x9c,
  ServerMoved: 0x9d,
  SharedSubscriptionsNotSupported: 0x9e,
  ConnectionRateExceeded: 0x9f,
  MaximumConnectTime: 0xa0,
  SubscriptionIdentifiersNotSupported: 0xa1,
  WildcardSubscriptionsNotSupported: 0xa2,
} as const;

const listed = (codes: readonly number[]) => new Set(codes);
const acknowledgement = listed([0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]);
const release = listed([0x00, 0x92]);

/** The Reason Codes that each packet may carry, by packet type (MQTT 5: 3.2.2.2, 3.4.2.1, ... 3.15.2.1). */
export const legalReasonCodes: Readonly<Record<number, ReadonlySet<number>>> = {
  2: listed([
    0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99, 0x9a, 0x9b,
    0x9c, 0x9d, 0x9f,
  ]),
  4: acknowledgement,
  5: acknowledgement,
  6: release,
  7: release,
  9: listed([0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2]),
  11: listed([0x00, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91]),
  14: listed([
    0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98,
    0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2,
  ]),
  15: listed([0x00, 0x18, 0x19]),
};

/** CONNACK return codes of MQTT 3.1 and 3.1.1 (3.2.2.3) for the Reason Codes of MQTT 5 that have one. */
const returnCodes: Readonly<Record<number, number>> = {
  [ReasonCode.Success]: 0,
  [ReasonCode.UnsupportedProtocolVersion]: 1,
  [ReasonCode.ClientIdentifierNotValid]: 2,
  [ReasonCode.ServerUnavailable]: 3,
  [ReasonCode.ServerBusy]: 3,
  [ReasonCode.ServerShuttingDown]: 3,
  [ReasonCode.UseAnotherServer]: 3,
  [ReasonCode.ServerMoved]: 3,
  [ReasonCode.QuotaExceeded]: 3,
  [ReasonCode.ConnectionRateExceeded]: 3,
  [ReasonCode.BadUserNameOrPassword]: 4,
  [ReasonCode.NotAuthorized]: 5,
  [ReasonCode.Banned]: 5,
};

/** The CONNACK return code for a 3.1 or 3.1.1 client, or undefined where the standard has none: then just close. */
export const connackReturnCode = (reasonCode: number): number | undefined => returnCodes[reasonCode];

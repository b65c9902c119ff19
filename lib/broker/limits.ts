/** Every bound that keeps one peer from taking the broker from the others. Bytes and messages are held in memory. */
export interface Limits {
  /** Milliseconds until a CONNECT must have come and been accepted. Default 10,000. */
  readonly connectTimeoutMs: number;
  /** Bytes of the CONNECT packet. Default 524,288: room for every field at its longest. */
  readonly maximumConnectSize: number;
  /** Bytes of any later packet; announced to MQTT 5 clients. Default 16,777,216. */
  readonly maximumPacketSize: number;
  /** QoS 1 and 2 messages that a client may have unacknowledged; announced to MQTT 5 clients. Default 1,024. */
  readonly receiveMaximum: number;
  /** QoS 1 and 2 messages unacknowledged towards a client, if its Receive Maximum is not less. Default 4,096. */
  readonly maximumInFlight: number;
  /** Bytes of those; one message always goes. Default 16,777,216. */
  readonly maximumInFlightBytes: number;
  /** Topic aliases that an MQTT 5 client may set. Default 64. */
  readonly topicAliasMaximum: number;
  /** Topic aliases used towards an MQTT 5 client that allows as many. Default 64. */
  readonly sentTopicAliases: number;
  /** Messages waiting for one session, in flight not counted. Default 10,000. */
  readonly maximumQueuedMessages: number;
  /** Bytes of the messages waiting for one session. Default 16,777,216. */
  readonly maximumQueuedBytes: number;
  /** Bytes of the messages waiting in memory for all sessions together. Default 1,073,741,824. */
  readonly maximumTotalQueuedBytes: number;
  /**
   * What gives way when a session's queue is full: the new message for that session, its oldest one, or the publisher, whose
   * message is refused then and reaches nobody (0x97; one of 3.1.1 is cut off unacknowledged, to send it again); not with
   * queues in Redis. Default `dropNewest`.
   */
  readonly onQueueFull: 'dropNewest' | 'dropOldest' | 'refuse';
  /** Bytes written for one connection and not yet taken by its peer; beyond it QoS 0 is dropped. Default 1,048,576. */
  readonly maximumOutboxBytes: number;
  /** Bytes of a client's messages that handlers have not done with; beyond it the client is not read. Default 1,048,576. */
  readonly maximumUndecidedBytes: number;
  /** How often a handler may fail over one message of a 3.1.1 client before it is acknowledged all the same. Default 5. */
  readonly maximumPublishFaults: number;
  /** Retained messages of the broker. Default 1,000,000. */
  readonly maximumRetainedMessages: number;
  /** Bytes of the retained messages. Default 268,435,456. */
  readonly maximumRetainedBytes: number;
  /** Subscriptions of one session. Default 250,000. */
  readonly maximumSubscriptions: number;
  /** Characters of the topic filters of one session. Default 16,777,216. */
  readonly maximumSubscriptionBytes: number;
  /** Seconds that a session outlives its connection at most. Default 4,294,967,295: no limit. */
  readonly maximumSessionExpiry: number;
  /** Connections at the same time, of the broker or of the listener that says so; more: CONNACK 0x97. Default 0: no bound. */
  readonly maximumConnections: number;
  /** The same from one address. Default 0: no bound. */
  readonly maximumConnectionsPerAddress: number;
  /** CONNECTs in a second, with as many at once; more: CONNACK 0x9F. Default 0: no bound. */
  readonly maximumConnectionsPerSecond: number;
  /**
   * Milliseconds that the event loop may be late before new clients are refused (CONNACK 0x89), so that those who are connected
   * are served. Default 2,000; 0 is off.
   */
  readonly maximumLagMs: number;
  /** Bytes that the process may take before new clients are refused (CONNACK 0x89). Default 0: no bound. */
  readonly maximumMemoryBytes: number;
  /** Seconds of keep-alive at most; MQTT 5 clients are told. Default 0: what the client asks for, none included. */
  readonly maximumKeepAlive: number;
}

export const defaultLimits: Limits = {
  connectTimeoutMs: 10_000,
  maximumConnectSize: 524_288,
  maximumPacketSize: 16_777_216,
  receiveMaximum: 1024,
  maximumInFlight: 4096,
  maximumInFlightBytes: 16_777_216,
  topicAliasMaximum: 64,
  sentTopicAliases: 64,
  maximumQueuedMessages: 10_000,
  maximumQueuedBytes: 16_777_216,
  maximumTotalQueuedBytes: 1_073_741_824,
  onQueueFull: 'dropNewest',
  maximumOutboxBytes: 1_048_576,
  maximumUndecidedBytes: 1_048_576,
  maximumPublishFaults: 5,
  maximumRetainedMessages: 1_000_000,
  maximumRetainedBytes: 268_435_456,
  maximumSubscriptions: 250_000,
  maximumSubscriptionBytes: 16_777_216,
  maximumSessionExpiry: 0xffff_ffff,
  maximumConnections: 0,
  maximumConnectionsPerAddress: 0,
  maximumConnectionsPerSecond: 0,
  maximumLagMs: 2000,
  maximumMemoryBytes: 0,
  maximumKeepAlive: 0,
};

/** What the broker has done since it started; plain numbers, read them at any time. */
export class Counters {
  /** PUBLISH packets from clients. */
  messagesReceived = 0;
  /** PUBLISH packets to clients. */
  messagesSent = 0;
  /** For one subscriber: full queue or outbox, expired, too large, or QoS 0 for a client that is away. */
  messagesDropped = 0;
  /** For one subscriber: it may not receive what is published to the topic. */
  messagesBarred = 0;
  /** PUBLISH packets that were not allowed or did not fit. */
  messagesRefused = 0;
  /** Connections accepted by a listener. */
  connectionsOpened = 0;
  /** Connections ended because the client broke the protocol or was refused. */
  protocolErrors = 0;
}

/** What a node has done with others since it started; plain numbers, read them at any time. */
export class RedisCounters {
  /** Frames with QoS 0 for other nodes. */
  lossyFrames = 0;
  /** Frames with QoS 1 and 2 for other nodes, each kept by Redis before it was acknowledged. */
  reliableFrames = 0;
  /** QoS 0 messages that other nodes wanted and were not sent: Redis was away, or too slow. */
  messagesDropped = 0;
  /** Messages put into the queues of sessions. */
  messagesQueued = 0;
  /** How often a queue was read because a message had not been told of in time, or in another order. */
  gapsFilled = 0;
  /** Frames and log entries that were not understood: another version, damaged, or not from a node at all. */
  framesRefused = 0;
}

const overWebSocket = 'It binds a server that offers WebSocket; this broker has no such listener yet.';

/**
 * Normative statements that bind a server by the tables and have no test, each with the reason in one sentence.
 *
 * By id as in `mqtt5.tsv`; ids of MQTT 3.1.1 have `3.1.1:` in front.
 */
export const exempt: Readonly<Record<string, string>> = {
  'MQTT-6.0.0-1': overWebSocket,
  'MQTT-6.0.0-2': overWebSocket,
  'MQTT-6.0.0-4': overWebSocket,
  '3.1.1:MQTT-6.0.0-1': overWebSocket,
  '3.1.1:MQTT-6.0.0-2': overWebSocket,
  '3.1.1:MQTT-6.0.0-4': overWebSocket,
  '3.1.1:MQTT-7.0.0-1':
    'It binds a server that dials out to other servers and so is a client as well; this broker only accepts connections.',
};

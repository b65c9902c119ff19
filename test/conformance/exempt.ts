/**
 * Normative statements that bind a server by the tables and have no test, each with the reason in one sentence.
 *
 * By id as in `mqtt5.tsv`; ids of MQTT 3.1.1 have `3.1.1:` in front.
 */
export const exempt: Readonly<Record<string, string>> = {
  '3.1.1:MQTT-7.0.0-1':
    'It binds a server that dials out to other servers and so is a client as well; this broker only accepts connections.',
};

/** Normative statements of the chapters on subscriptions and of MQTT 3.1.1 that no test can show, and why; ids of 3.1.1 with `3.1.1:` in front. */
export const exemptSubscribe: Readonly<Record<string, string>> = {
  '3.1.1:MQTT-7.0.0-1':
    'It binds a server that dials out to other servers and so is a client as well; this broker only accepts connections.',
};

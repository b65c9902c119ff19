import { describe, expect, it } from '@jest/globals';
import { ReasonCode, connackReturnCode, legalReasonCodes } from '../../../lib/protocol/reason-codes.js';

describe('connackReturnCode', () => {
  it.each([
    ['Success', 0],
    ['UnsupportedProtocolVersion', 1],
    ['ClientIdentifierNotValid', 2],
    ['ServerUnavailable', 3],
    ['ServerShuttingDown', 3],
    ['BadUserNameOrPassword', 4],
    ['NotAuthorized', 5],
  ] as const)('[v3: MQTT-3.2.2-6] has for %s the return code %i', (name, code) => {
    expect(connackReturnCode(ReasonCode[name])).toBe(code);
  });

  it('[v3: MQTT-3.2.2-6] has none where MQTT 3.1.1 has no word for the reason', () => {
    expect(connackReturnCode(ReasonCode.MalformedPacket)).toBeUndefined();
    expect(connackReturnCode(ReasonCode.PacketTooLarge)).toBeUndefined();
  });
});

describe('legalReasonCodes', () => {
  it('knows only codes of the standard', () => {
    const known = new Set<number>(Object.values(ReasonCode));
    const listed = Object.values(legalReasonCodes).flatMap((codes) => [...codes]);

    expect(listed.filter((code) => !known.has(code))).toEqual([]);
  });

  it('[MQTT-3.2.2-8] [MQTT-3.9.3-2] [MQTT-3.11.3-2] [MQTT-3.14.2-1] has as many as the tables of the standard', () => {
    const counts = Object.fromEntries(Object.entries(legalReasonCodes).map(([type, codes]) => [type, codes.size]));

    expect(counts).toEqual({ 2: 22, 4: 9, 5: 9, 6: 2, 7: 2, 9: 12, 11: 7, 14: 29, 15: 3 });
  });
});

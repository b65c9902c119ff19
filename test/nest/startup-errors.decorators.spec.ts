import { describe, expect, it } from '@jest/globals';
import { MQTTdUsageError, OnPublish, OnRequest, OnSubscribe } from 'nestjs-mqttd';

describe('a decorator', () => {
  const decorators = [
    ['OnPublish', OnPublish],
    ['OnSubscribe', OnSubscribe],
    ['OnRequest', OnRequest],
  ] as const;
  const wrong = ['', 'a/#/b', 'a+', 'a/b#', ':rest#/b', '$share/group/a', 'a\0', '/'.repeat(128)];

  it.each(decorators.flatMap(([name, decorator]) => wrong.map((filter) => ({ name, decorator, filter }))))(
    '@$name($filter) throws for what is no topic filter',
    ({ name, decorator, filter }) => {
      const decorate = () => decorator(['fine', filter]);

      expect(decorate).toThrow(MQTTdUsageError);
      expect(decorate).toThrow(expect.objectContaining({ code: 'INVALID_FILTER' }));
      expect(decorate).toThrow(`@${name}(${JSON.stringify(filter)}): not a topic filter that a handler can have;`);
    },
  );

  it.each(decorators)('@%s([]) throws: it names no topic', (_name, decorator) => {
    expect(() => decorator([])).toThrow(expect.objectContaining({ code: 'INVALID_FILTER' }));
  });

  it.each(decorators)('@%s on a method that has a pattern already throws, and says what to do', (name, decorator) => {
    const decorate = () => {
      class Sensors {
        @decorator('a')
        @OnPublish('b')
        hear(): void {}
      }
      return Sensors;
    };

    expect(decorate).toThrow(expect.objectContaining({ code: 'TWO_PATTERNS' }));
    expect(decorate).toThrow(
      `@${name}("a") on Sensors.hear: the method has a pattern already, and Nest keeps only one; ` +
        'give one decorator an array of topics, or write a second method',
    );
  });
});

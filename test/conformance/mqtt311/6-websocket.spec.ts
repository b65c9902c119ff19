import { it } from '@jest/globals';
import { describeInMemory } from '../../support/scenario.js';
import { webSocketChapter } from '../../support/websocket-chapter.js';

describeInMemory('MQTT 3.1.1, 6 Using WebSocket as a network transport', (start) => {
  const { refusesText, takesPacketsAsTheyCome, choosesSubprotocol } = webSocketChapter(start, 4);

  it('[MQTT-6.0.0-1] closes a connection with a message that is not binary, and answers in binary ones', refusesText);

  it(
    '[MQTT-6.0.0-2] takes several packets in a message, and one over many of them and their fragments',
    takesPacketsAsTheyCome,
  );

  it('[MQTT-6.0.0-4] chooses the subprotocol mqtt among those that a client offers', choosesSubprotocol);
});

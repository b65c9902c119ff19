import { Controller, Module } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import {
  ConnectedClient,
  MQTTdModule,
  MQTTdPublisher,
  OnPublish,
  OnRequest,
  OnSubscribe,
  Topic,
  TopicParam,
  type MQTTdClient,
} from 'nestjs-mqttd';

class ReadingDto {
  celsius!: number;
}

@Controller()
export class SensorsController {
  constructor(private readonly publisher: MQTTdPublisher) {}

  @OnPublish('sensors/:id/reading') // `:id` is `+` with a name
  async heard(@Payload() reading: ReadingDto, @TopicParam('id') id: string, @ConnectedClient() client?: MQTTdClient) {
    if (reading.celsius > 60) {
      await this.publisher.publish(`sensors/${id}/alarm`, { by: client?.clientId }, { qos: 1, retain: true });
    }
  }

  @OnSubscribe('sensors/:id/reading') // what it returns is sent to the client that subscribed
  welcome(@Topic() filter: string) {
    return { topic: filter.replace('+', '7'), payload: { celsius: 21.5 } };
  }

  @OnRequest('calc/sum') // MQTT 5 request/response: the return value goes to the Response Topic
  sum(@Payload() numbers: number[]) {
    return numbers.reduce((sum, number) => sum + number, 0);
  }
}

@Module({
  imports: [MQTTdModule.forRoot({ port: 1883 })],
  controllers: [SensorsController],
})
export class AppModule {}

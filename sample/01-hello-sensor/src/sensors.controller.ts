import { Controller, Logger } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import {
  ConnectedClient,
  MQTTdPublisher,
  OnPublish,
  OnSubscribe,
  Topic,
  TopicParam,
  type MQTTdClient,
} from 'nestjs-mqttd';

@Controller()
export class SensorsController {
  private readonly logger = new Logger(SensorsController.name);

  constructor(private readonly publisher: MQTTdPublisher) {}

  /** Hears every temperature; above 60 degrees everybody who watches the alarm of that sensor is told. */
  @OnPublish('sensors/:id/temperature')
  async heard(@Payload() celsius: number, @TopicParam('id') id: string, @ConnectedClient() client?: MQTTdClient) {
    this.logger.log(`sensor ${id} says ${celsius} degrees (client ${client?.clientId})`);
    if (celsius > 60) {
      await this.publisher.publish(`sensors/${id}/alarm`, { on: true, celsius }, { qos: 1, retain: true });
    }
  }

  /** Whoever subscribes to one sensor's greeting gets it at once. */
  @OnSubscribe('sensors/:id/hello')
  welcome(@Topic() topic: string, @TopicParam('id') id: string) {
    return { topic, payload: `hello, this is sensor ${id}` };
  }
}

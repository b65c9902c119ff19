import { Controller, Logger } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { MQTTdPublisher, OnPublish, TopicParam } from 'nestjs-mqttd';

@Controller()
export class SensorsController {
  private readonly logger = new Logger(SensorsController.name);

  constructor(private readonly publisher: MQTTdPublisher) {}

  /** Runs once for each temperature: on the node that the sensor is connected to. Its alarm goes to both. */
  @OnPublish('sensors/:id/temperature')
  async heard(@Payload() celsius: number, @TopicParam('id') id: string) {
    this.logger.log(`sensor ${id} says ${celsius} degrees`);
    if (celsius > 60) {
      const alarm = { celsius, raisedBy: process.env.NODE_NAME };
      await this.publisher.publish(`sensors/${id}/alarm`, alarm, { qos: 1, retain: true });
    }
  }
}

import { Controller } from '@nestjs/common';
import { Payload, RpcException } from '@nestjs/microservices';
import { OnRequest, TopicParam } from 'nestjs-mqttd';
import { interval, map, take } from 'rxjs';

/** Clients ask the application. */
@Controller()
export class CalculatorController {
  @OnRequest('calc/sum')
  sum(@Payload() numbers: unknown): number {
    if (!Array.isArray(numbers)) throw new RpcException('a list of numbers is wanted');
    return numbers.reduce<number>((sum, number) => sum + Number(number), 0);
  }

  /** Each value of an Observable is a reply of its own. */
  @OnRequest('calc/countdown/:from')
  countdown(@TopicParam('from') from: string) {
    return interval(100).pipe(
      take(Number(from)),
      map((index) => Number(from) - index),
    );
  }
}

import 'reflect-metadata';
import { Drain } from '@app/core';
import { Controller, Get, Module } from '@nestjs/common';
import { createTestApp } from '@app/testing';

abstract class Greeting {
  abstract word(): string;
}

@Controller()
class GreetingController {
  constructor(private readonly greeting: Greeting) {}

  @Get()
  greet(): string {
    return this.greeting.word();
  }
}

const closed: string[] = [];

@Module({
  controllers: [GreetingController],
  providers: [
    { provide: Greeting, useValue: { word: () => 'hello' } },
    {
      provide: Drain,
      useFactory: () => {
        const drain = new Drain();
        drain.register('close', 'pool', () => void closed.push('pool'));
        return drain;
      },
    },
  ],
})
class GreetingModule {}

const greet = async (url: string) => (await fetch(url)).text();

describe(createTestApp.name, () => {
  it('listens on a free port of the loopback', async () => {
    await using app = await createTestApp(GreetingModule);
    expect(new URL(app.url).hostname).toBe('127.0.0.1');
    await expect(greet(app.url)).resolves.toBe('hello');
  });

  it('swaps a provider', async () => {
    await using app = await createTestApp(GreetingModule, {
      override: (module) => module.overrideProvider(Greeting).useValue({ word: () => 'goodbye' }),
    });
    await expect(greet(app.url)).resolves.toBe('goodbye');
  });

  it('configures the application before it listens', async () => {
    await using app = await createTestApp(GreetingModule, { configure: (nest) => void nest.setGlobalPrefix('hi') });
    await expect(greet(`${app.url}/hi`)).resolves.toBe('hello');
  });

  it('closes what the drain holds when it is closed, and may be closed twice', async () => {
    const app = await createTestApp(GreetingModule);
    closed.length = 0;
    await app.close();
    await app.close();
    expect(closed).toEqual(['pool']);
    await expect(fetch(app.url)).rejects.toThrow();
  });

  it('leaves nothing open when it cannot start', async () => {
    const configure = () => Promise.reject(new Error('no'));
    await expect(createTestApp(GreetingModule, { configure })).rejects.toThrow('no');
  });
});

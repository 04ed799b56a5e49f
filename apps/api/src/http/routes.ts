import { Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';

/** As much of Express' own router as is needed to ask it what it has. */
interface RouterLayer {
  readonly route?: { readonly methods: Readonly<Record<string, boolean>> };
  match(path: string): boolean;
}

/** Which methods each path has, asked of the router itself, so that nothing that is mounted can be forgotten. */
@Injectable()
export class Routes {
  private layers: readonly RouterLayer[] | undefined;

  constructor(private readonly host: HttpAdapterHost) {}

  /** Methods of the routes that a path matches, sorted, with HEAD and OPTIONS; empty when there is no such path. */
  methodsOf(path: string): readonly string[] {
    this.layers ??= this.mapped();
    const methods = this.layers
      .filter((layer) => layer.match(path))
      .flatMap(({ route }) => Object.keys(route?.methods ?? {}).map((method) => method.toUpperCase()));
    if (methods.length === 0) return [];
    const implied = methods.includes('GET') ? ['HEAD', 'OPTIONS'] : ['OPTIONS'];
    return [...new Set([...methods, ...implied])].sort();
  }

  private mapped(): readonly RouterLayer[] {
    const express = this.host.httpAdapter.getInstance<{ router: { stack: readonly RouterLayer[] } }>();
    return express.router.stack.filter(({ route }) => route !== undefined);
  }
}

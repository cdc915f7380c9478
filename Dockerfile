FROM node:24-slim AS build
WORKDIR /app
# No dependency needs its install script; `prepare` would build before the sources are here.
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build \
  && npm prune --omit=dev --ignore-scripts \
  && rm -rf dist/.tsbuildinfo dist/scripts

FROM node:24-slim
# On loopback nobody outside of the container would reach it.
ENV NODE_ENV=production SLUICE_HOST=0.0.0.0
WORKDIR /app
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY --from=build /app/package.json /app/LICENSE /app/gateway.config.yaml ./
# The embedded state and the admin token that is made when none is given; the rest of the image is not the gateway's to write.
RUN mkdir data && chown node:node data
USER node
VOLUME /app/data
EXPOSE 8080
STOPSIGNAL SIGTERM
# The admin port is bound to loopback inside the container, where this runs.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8081/livez').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "--enable-source-maps", "dist/bin/sluice.js"]
CMD ["start"]

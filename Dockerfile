# Builds anbun and puts it on a small Debian without anything that it does not need.
FROM rust:1.95-bookworm AS build
WORKDIR /anbun
COPY . .
ENV SQLX_OFFLINE=true
RUN cargo build --release --locked && cp target/release/anbun /usr/local/bin/anbun

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates=20230311* \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home anbun
COPY --from=build /usr/local/bin/anbun /usr/local/bin/anbun
USER 10001
EXPOSE 8080
ENTRYPOINT ["anbun"]
CMD ["serve"]

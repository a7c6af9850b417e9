//! moto's server: S3, STS, IAM and Cost Explorer's totals, in a process of its own that ends with the tests.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};

/// Ends when the pipe from the test program does, however that ends.
const SERVER: &str = "
import sys, threading, os
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address='127.0.0.1', port=0, verbose=False)
server.start()
print('%s %s' % server.get_host_and_port(), flush=True)
sys.stdin.read()
os._exit(0)
";

struct Running {
    endpoint: String,
    _process: Child,
    _pipe: ChildStdin,
}

/// The address of the run's moto; `None` where it is not installed, which is a failure in CI.
pub(crate) fn endpoint() -> Option<&'static str> {
    static RUNNING: OnceLock<Option<Running>> = OnceLock::new();
    RUNNING
        .get_or_init(start)
        .as_ref()
        .map(|running| running.endpoint.as_str())
}

fn start() -> Option<Running> {
    let python = std::env::var_os("ANBUN_TEST_PYTHON").map_or_else(|| PathBuf::from("python3"), PathBuf::from);
    let started = Command::new(python)
        .args(["-c", SERVER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut line = String::new();
    let mut process = started.ok()?;
    let pipe = process.stdin.take()?;
    let read = BufReader::new(process.stdout.take()?).read_line(&mut line);
    let address = line.trim().split_once(' ').filter(|_| read.is_ok());
    let Some((host, port)) = address else {
        assert!(
            std::env::var_os("CI").is_none(),
            "moto is not installed: pip install 'moto[server]' for the Python of ANBUN_TEST_PYTHON"
        );
        crate::support::left_out(
            "moto is not installed; what only it can play (STS, IAM, real S3 semantics) is not tried",
        );
        return None;
    };
    Some(Running {
        endpoint: format!("http://{host}:{port}"),
        _process: process,
        _pipe: pipe,
    })
}

/// A client of the peer, with keys that open nothing else.
pub(crate) fn client(endpoint: &str) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("AKIDEXAMPLE", "secret", None, None, "test"))
        .endpoint_url(endpoint)
        .force_path_style(true);
    aws_sdk_s3::Client::from_conf(config.build())
}

/// Puts an export's files into a bucket, its manifests last, as AWS does.
pub(crate) async fn upload(client: &aws_sdk_s3::Client, bucket: &str, prefix: &str, folder: &std::path::Path) {
    let mut files = super::files_below(folder);
    files.sort_by_key(|(inside, _)| inside.starts_with("metadata/"));
    for (inside, content) in files {
        let key = format!("{prefix}/{inside}");
        client
            .put_object()
            .bucket(bucket)
            .key(key)
            .body(content.into())
            .send()
            .await
            .unwrap();
    }
}

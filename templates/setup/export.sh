#!/bin/sh
# Makes the export of the bill that anbun reads best.  Run with credentials of the payer account.
set -eu
account=$(aws sts get-caller-identity --query Account --output text)

# Lets AWS Data Exports write into the bucket.  This replaces the bucket's policy: merge by hand if it has one.
sed "s/{{ account_mark }}/$account/g" > bucket-policy.json <<'POLICY'
{{ bucket_policy }}
POLICY
aws s3api put-bucket-policy --bucket '{{ bucket }}' --policy file://bucket-policy.json

cat > export.json <<'EXPORT'
{{ export_json }}
EXPORT
aws bcm-data-exports create-export --region us-east-1 --export file://export.json

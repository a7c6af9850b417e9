# The export of the bill that anbun reads best.  AWS Data Exports answers in us-east-1 only; the bucket {{ bucket }}
# exists already, in {{ bucket_region }}.  Use credentials of the payer account.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws", version = ">= 5.40" }
  }
}

provider "aws" {
  region = "us-east-1"
}

provider "aws" {
  alias  = "bucket"
  region = "{{ bucket_region }}"
}

# AWS must be allowed to write into the bucket.  This REPLACES the bucket's policy: leave it off where the bucket has one,
# and add the statement there.
variable "write_bucket_policy" {
  type    = bool
  default = false
}

data "aws_caller_identity" "payer" {}

resource "aws_s3_bucket_policy" "bill" {
  count    = var.write_bucket_policy ? 1 : 0
  provider = aws.bucket
  bucket   = "{{ bucket }}"
  policy = jsonencode({{ bucket_policy_hcl }})
}

resource "aws_bcmdataexports_export" "bill" {
  depends_on = [aws_s3_bucket_policy.bill]

  export {
    name = "{{ name }}"

    data_query {
      query_statement = "{{ query }}"
      table_configurations = {
        {{ table }} = {
{%- for (key, value) in settings %}
          {{ key }} = "{{ value }}"
{%- endfor %}
        }
      }
    }

    destination_configurations {
      s3_destination {
        s3_bucket = "{{ bucket }}"
        s3_prefix = "{{ prefix }}"
        s3_region = "{{ bucket_region }}"
        s3_output_configurations {
          output_type = "CUSTOM"
          format      = "PARQUET"
          compression = "PARQUET"
          overwrite   = "OVERWRITE_REPORT"
        }
      }
    }

    refresh_cadence {
      frequency = "SYNCHRONOUS"
    }
  }
}

# After the first tagged principal has called Bedrock:
# resource "aws_ce_cost_allocation_tag" "department" {
#   tag_key = "iamPrincipal/department"
#   status  = "Active"
# }

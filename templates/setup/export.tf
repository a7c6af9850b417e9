# The export of the bill that anbun reads best.  Use a provider for us-east-1 of the payer account: AWS Data Exports
# answers nowhere else.  The bucket {{ bucket }} ({{ bucket_region }}) exists already.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws", version = ">= 5.40" }
  }
}

data "aws_caller_identity" "payer" {}

resource "aws_s3_bucket_policy" "bill" {
  bucket = "{{ bucket }}"
  policy = jsonencode({{ bucket_policy_hcl|safe }})
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

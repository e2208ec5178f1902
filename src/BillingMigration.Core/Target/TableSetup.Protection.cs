using Amazon.DynamoDBv2;
using Amazon.DynamoDBv2.Model;

namespace BillingMigration.Target;

/// <summary>What protects a table and names it: encryption, stream, deletion protection, recovery, tags.</summary>
internal sealed partial class TableSetup
{
    private async Task SetEncryptionAsync(TableDescription table, bool created, CancellationToken cancellationToken)
    {
        const string Setting = "Encryption";
        var has = table.SSEDescription;
        var on = has?.Status?.Value is "ENABLED" or "ENABLING" or "UPDATING" && has.SSEType == SSEType.KMS;
        if (on)
        {
            var arn = has!.KMSMasterKeyArn ?? string.Empty;

            // An alias cannot be compared with the ARN of the key behind it without asking KMS, for which there may be no permission.
            var differs = spec.KmsKeyId is { } wanted && !wanted.Contains("alias/", StringComparison.Ordinal) && !arn.EndsWith(wanted, StringComparison.Ordinal);
            if (differs && !created)
            {
                Report(Setting, InitializeStepStatus.Differs, $"The key is {arn}; the definition says {spec.KmsKeyId}. Change it with 'aws dynamodb update-table --sse-specification', or change target.kmsKeyId.");
            }
            else
            {
                Report(Setting, created ? InitializeStepStatus.Done : InitializeStepStatus.Unchanged, $"KMS, key {arn}");
            }

            return;
        }

        if (created && target.IsEmulator)
        {
            Report(Setting, InitializeStepStatus.NotSupportedByEndpoint, $"{target.Endpoint} accepted the setting and ignored it; AWS encrypts with {WantedEncryption}.");
            return;
        }

        await ChangeAsync(Setting, WantedEncryption, async () =>
        {
            await Client.UpdateTableAsync(new UpdateTableRequest { TableName = spec.Name, SSESpecification = spec.Encryption }, cancellationToken);
            var now = await WaitActiveAsync(cancellationToken);
            if (now.SSEDescription is null)
            {
                throw new IgnoredSettingException();
            }
        });
    }

    private async Task SetStreamAsync(TableDescription table, bool created, CancellationToken cancellationToken)
    {
        const string Setting = "Stream";
        if (!spec.Stream)
        {
            return;
        }

        var has = table.StreamSpecification;
        if (has?.StreamEnabled != true)
        {
            await ChangeAsync(Setting, "NEW_AND_OLD_IMAGES", async () =>
            {
                var wanted = new StreamSpecification { StreamEnabled = true, StreamViewType = StreamViewType.NEW_AND_OLD_IMAGES };
                await Client.UpdateTableAsync(new UpdateTableRequest { TableName = spec.Name, StreamSpecification = wanted }, cancellationToken);
                await WaitActiveAsync(cancellationToken);
            });
        }
        else if (has.StreamViewType != StreamViewType.NEW_AND_OLD_IMAGES)
        {
            Report(
                Setting,
                InitializeStepStatus.Differs,
                $"It is {has.StreamViewType}; the way back needs NEW_AND_OLD_IMAGES. Something may read this stream: disable it ('aws dynamodb update-table --table-name {spec.Name} "
                + "--stream-specification StreamEnabled=false'), then run this command again.");
        }
        else
        {
            Report(Setting, created ? InitializeStepStatus.Done : InitializeStepStatus.Unchanged, "NEW_AND_OLD_IMAGES");
        }
    }

    private async Task SetDeletionProtectionAsync(TableDescription table, bool created, CancellationToken cancellationToken)
    {
        const string Setting = "DeletionProtection";
        if (table.DeletionProtectionEnabled == true)
        {
            Report(Setting, created ? InitializeStepStatus.Done : InitializeStepStatus.Unchanged, "on");
            return;
        }

        await ChangeAsync(Setting, "on", async () =>
        {
            await Client.UpdateTableAsync(new UpdateTableRequest { TableName = spec.Name, DeletionProtectionEnabled = true }, cancellationToken);
            var now = await WaitActiveAsync(cancellationToken);
            if (now.DeletionProtectionEnabled != true)
            {
                throw new IgnoredSettingException();
            }
        });
    }

    private async Task SetRecoveryAsync(CancellationToken cancellationToken)
    {
        const string Setting = "PointInTimeRecovery";
        bool on;
        try
        {
            var answer = await Client.DescribeContinuousBackupsAsync(new DescribeContinuousBackupsRequest { TableName = spec.Name }, cancellationToken);
            on = answer.ContinuousBackupsDescription?.PointInTimeRecoveryDescription?.PointInTimeRecoveryStatus == PointInTimeRecoveryStatus.ENABLED;
        }
        catch (AmazonDynamoDBException e) when (Refuses(e))
        {
            ReportUnsupported(Setting);
            return;
        }

        if (on)
        {
            Report(Setting, InitializeStepStatus.Unchanged, "on");
            return;
        }

        await ChangeAsync(Setting, "on", () => WaitForAsync("continuous backups", async () =>
        {
            try
            {
                await Client.UpdateContinuousBackupsAsync(
                    new UpdateContinuousBackupsRequest
                    {
                        TableName = spec.Name,
                        PointInTimeRecoverySpecification = new PointInTimeRecoverySpecification { PointInTimeRecoveryEnabled = true },
                    },
                    cancellationToken);
                return true;
            }
            catch (ContinuousBackupsUnavailableException)
            {
                // "Backups are being enabled for the table": so for some seconds after its creation.
                return false;
            }
        }, cancellationToken));
    }

    private async Task SetTagsAsync(TableDescription table, bool created, CancellationToken cancellationToken)
    {
        const string Setting = "Tags";
        if (spec.Tags.IsEmpty)
        {
            return;
        }

        var has = new Dictionary<string, string>();
        try
        {
            string? next = null;
            do
            {
                var page = await Client.ListTagsOfResourceAsync(
                    new ListTagsOfResourceRequest { ResourceArn = table.TableArn, NextToken = next }, cancellationToken);
                foreach (var tag in page.Tags ?? [])
                {
                    has[tag.Key] = tag.Value;
                }

                next = page.NextToken;
            }
            while (next is not null);
        }
        catch (AmazonDynamoDBException e) when (Refuses(e))
        {
            ReportUnsupported(Setting);
            return;
        }

        if (spec.Tags.All(t => has.TryGetValue(t.Key, out var value) && value == t.Value))
        {
            Report(Setting, created ? InitializeStepStatus.Done : InitializeStepStatus.Unchanged, WantedTags);
            return;
        }

        await ChangeAsync(Setting, WantedTags, () => Client.TagResourceAsync(
            new TagResourceRequest { ResourceArn = table.TableArn, Tags = spec.TagList }, cancellationToken));
    }
}

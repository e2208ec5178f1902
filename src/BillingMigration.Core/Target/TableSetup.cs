using Amazon.DynamoDBv2;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Definition;

namespace BillingMigration.Target;

/// <summary>Brings one table to its specification, setting by setting; or, not applying, says what that would take.</summary>
internal sealed class TableSetup(
    TargetConnection target, TableSpec spec, TimeProvider time, bool apply, IProgress<string> progress, Action<InitializeStep> report)
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromSeconds(1);

    // An emulator is ready at once; a real table takes seconds, an index over many items hours.
    private static readonly TimeSpan EmulatorPollInterval = TimeSpan.FromMilliseconds(20);

    private IAmazonDynamoDB Client => target.Client;

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var table = await FindAsync(cancellationToken);
        var created = table is null;
        if (table is null)
        {
            Report("Table", apply ? InitializeStepStatus.Done : InitializeStepStatus.Planned, $"The {spec.Role} is created.");
            if (!apply)
            {
                ReportPlannedTable();
                return;
            }

            progress.Report($"Creating table {spec.Name}");
            await CreateAsync(cancellationToken);
            table = await WaitActiveAsync(cancellationToken);
        }
        else
        {
            CheckKeySchema(table);
            Report("Table", InitializeStepStatus.Unchanged, $"The {spec.Role} exists.");
            if (apply)
            {
                table = await WaitActiveAsync(cancellationToken);
            }
        }

        Report("KeySchema", created ? InitializeStepStatus.Done : InitializeStepStatus.Unchanged, TableSpec.Describe(table.KeySchema, table.AttributeDefinitions));
        CheckBillingMode(table, created);
        foreach (var index in spec.Indexes)
        {
            await SetIndexAsync(table, index, created, cancellationToken);
        }

        await SetEncryptionAsync(table, created, cancellationToken);
        await SetStreamAsync(table, created, cancellationToken);
        await SetDeletionProtectionAsync(table, created, cancellationToken);
        await SetRecoveryAsync(cancellationToken);
        await SetTagsAsync(table, created, cancellationToken);
    }

    /// <summary>The table is there and its key is the design's; nothing else is looked at.</summary>
    public async Task EnsureUsableAsync(CancellationToken cancellationToken)
    {
        var table = await FindAsync(cancellationToken) ?? throw TargetErrors.TableNotFound(spec.Name, target.Endpoint, null);
        CheckKeySchema(table);
    }

    private async Task<TableDescription?> FindAsync(CancellationToken cancellationToken)
    {
        try
        {
            return (await Client.DescribeTableAsync(spec.Name, cancellationToken)).Table;
        }
        catch (ResourceNotFoundException)
        {
            return null;
        }
    }

    private async Task CreateAsync(CancellationToken cancellationToken)
    {
        try
        {
            await Client.CreateTableAsync(spec.ToRequest(), cancellationToken);
        }
        catch (ResourceInUseException)
        {
            // Another worker creates it at this moment: what it has is looked at below like any other table.
        }
    }

    private void ReportPlannedTable()
    {
        Report("KeySchema", InitializeStepStatus.Planned, $"{TableSpec.PartitionKey} (HASH, S), {TableSpec.SortKey} (RANGE, S)");
        Report("BillingMode", InitializeStepStatus.Planned, WantedBilling);
        foreach (var index in spec.Indexes)
        {
            Report("Index " + index.Name, InitializeStepStatus.Planned, Describe(index));
        }

        Report("Encryption", InitializeStepStatus.Planned, WantedEncryption);
        if (spec.Stream)
        {
            Report("Stream", InitializeStepStatus.Planned, "NEW_AND_OLD_IMAGES");
        }

        Report("DeletionProtection", InitializeStepStatus.Planned, "on");
        Report("PointInTimeRecovery", InitializeStepStatus.Planned, "on");
        if (!spec.Tags.IsEmpty)
        {
            Report("Tags", InitializeStepStatus.Planned, WantedTags);
        }
    }

    private void CheckKeySchema(TableDescription table)
    {
        var has = TableSpec.Describe(table.KeySchema, table.AttributeDefinitions);
        var wants = $"{TableSpec.PartitionKey} (HASH, S), {TableSpec.SortKey} (RANGE, S)";
        if (has != wants)
        {
            throw new MigrationException(
                "WrongKeySchema",
                MigrationErrorKind.WrongState,
                $"Table '{spec.Name}' has the key {has}; the {spec.Role} needs {wants}. A key schema cannot be changed: "
                + $"name another table in the definition (target.{(spec.Role == "control table" ? "controlTable" : "table")}), or delete this one if nothing needs it.",
                spec.Name);
        }
    }

    private void CheckBillingMode(TableDescription table, bool created)
    {
        // A table that was created as provisioned and never switched has no summary.
        var provisioned = table.BillingModeSummary?.BillingMode != Amazon.DynamoDBv2.BillingMode.PAY_PER_REQUEST;
        var has = provisioned
            ? $"PROVISIONED, {table.ProvisionedThroughput?.ReadCapacityUnits} read and {table.ProvisionedThroughput?.WriteCapacityUnits} write units"
            : "PAY_PER_REQUEST";
        if (has == WantedBilling)
        {
            Report("BillingMode", created ? InitializeStepStatus.Done : InitializeStepStatus.Unchanged, has);
        }
        else
        {
            Report(
                "BillingMode",
                InitializeStepStatus.Differs,
                $"It is {has}, the definition says {WantedBilling}. What a table costs is not changed by this command: use 'aws dynamodb update-table', or change target.billingMode.");
        }
    }

    private async Task SetIndexAsync(TableDescription table, IndexDefinition wanted, bool created, CancellationToken cancellationToken)
    {
        var setting = "Index " + wanted.Name;
        var has = table.GlobalSecondaryIndexes?.FirstOrDefault(i => i.IndexName == wanted.Name);
        if (has is null)
        {
            await ChangeAsync(setting, Describe(wanted), () => CreateIndexAsync(wanted, cancellationToken));
            return;
        }

        var text = $"{TableSpec.Describe(has.KeySchema, table.AttributeDefinitions)}; {TableSpec.Describe(has.Projection)}";
        if (text == Describe(wanted))
        {
            Report(setting, created ? InitializeStepStatus.Done : InitializeStepStatus.Unchanged, text);
        }
        else
        {
            Report(
                setting,
                InitializeStepStatus.Differs,
                $"It is {text}; the definition says {Describe(wanted)}. Keys and projection of an index cannot be changed: "
                + $"delete it ('aws dynamodb update-table --table-name {spec.Name} --global-secondary-index-updates …') and run this command again.");
        }
    }

    /// <summary>DynamoDB creates one index at a time, so each is waited for.</summary>
    private async Task CreateIndexAsync(IndexDefinition index, CancellationToken cancellationToken)
    {
        progress.Report($"Creating index {index.Name} of table {spec.Name}");
        await Client.UpdateTableAsync(
            new UpdateTableRequest
            {
                TableName = spec.Name,
                AttributeDefinitions = TableSpec.Attributes([index]),
                GlobalSecondaryIndexUpdates =
                [
                    new GlobalSecondaryIndexUpdate
                    {
                        Create = new CreateGlobalSecondaryIndexAction
                        {
                            IndexName = index.Name,
                            KeySchema = TableSpec.Keys(index.PartitionKeyAttribute, index.SortKeyAttribute),
                            Projection = TableSpec.ProjectionOf(index),
                            ProvisionedThroughput = spec.Throughput,
                        },
                    },
                ],
            },
            cancellationToken);
        await WaitActiveAsync(cancellationToken);
    }

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

    /// <summary>Makes a change, or plans it. Only an emulator may not know the operation or ignore it.</summary>
    private async Task ChangeAsync(string setting, string wanted, Func<Task> change)
    {
        if (!apply)
        {
            Report(setting, InitializeStepStatus.Planned, wanted);
            return;
        }

        try
        {
            await change();
            Report(setting, InitializeStepStatus.Done, wanted);
        }
        catch (AmazonDynamoDBException e) when (Refuses(e))
        {
            ReportUnsupported(setting);
        }
        catch (IgnoredSettingException e)
        {
            if (!target.IsEmulator)
            {
                throw new MigrationException(
                    "SettingIgnored",
                    MigrationErrorKind.Unexpected,
                    $"Table '{spec.Name}': {target.Endpoint} accepted {setting} ({wanted}), but the table does not show it. Look at the table in the console, then run this command again.",
                    spec.Name,
                    e);
            }

            Report(setting, InitializeStepStatus.NotSupportedByEndpoint, $"{target.Endpoint} accepts the setting and ignores it.");
        }
    }

    private bool Refuses(AmazonDynamoDBException exception) => target.IsEmulator && TargetErrors.IsUnknownOperation(exception);

    private void ReportUnsupported(string setting) =>
        Report(setting, InitializeStepStatus.NotSupportedByEndpoint, $"{target.Endpoint} does not know the operation.");

    private async Task<TableDescription> WaitActiveAsync(CancellationToken cancellationToken)
    {
        TableDescription? table = null;
        await WaitForAsync("table and indexes", async () =>
        {
            table = await FindAsync(cancellationToken);
            return table is not null && table.TableStatus == TableStatus.ACTIVE
                && (table.GlobalSecondaryIndexes ?? []).All(i => i.IndexStatus == IndexStatus.ACTIVE)
                && table.SSEDescription?.Status?.Value is null or "ENABLED" or "DISABLED";
        }, cancellationToken);
        return table!;
    }

    private async Task WaitForAsync(string what, Func<Task<bool>> ready, CancellationToken cancellationToken)
    {
        var started = time.GetTimestamp();
        while (!await ready())
        {
            progress.Report($"Waiting for {what} of {spec.Name}, {time.GetElapsedTime(started).TotalSeconds:0} s");
            await Task.Delay(target.IsEmulator ? EmulatorPollInterval : PollInterval, time, cancellationToken);
        }
    }

    private string WantedBilling => spec.Throughput is { } units
        ? $"PROVISIONED, {units.ReadCapacityUnits} read and {units.WriteCapacityUnits} write units"
        : "PAY_PER_REQUEST";

    private string WantedEncryption => spec.KmsKeyId is null ? "KMS, AWS managed key aws/dynamodb" : $"KMS, key {spec.KmsKeyId}";

    private string WantedTags => string.Join(", ", spec.Tags.Select(t => $"{t.Key}={t.Value}"));

    private static string Describe(IndexDefinition index) =>
        $"{TableSpec.Describe(TableSpec.Keys(index.PartitionKeyAttribute, index.SortKeyAttribute), TableSpec.Attributes([index]))}; {TableSpec.Describe(TableSpec.ProjectionOf(index))}";

    private void Report(string setting, InitializeStepStatus status, string detail) => report(new InitializeStep(spec.Name, setting, status, detail));

    /// <summary>The endpoint answered with success and changed nothing.</summary>
    private sealed class IgnoredSettingException : Exception;
}

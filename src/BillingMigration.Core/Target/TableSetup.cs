using Amazon.DynamoDBv2;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Definition;

namespace BillingMigration.Target;

/// <summary>Brings one table to its specification, setting by setting; or, not applying, says what that would take.</summary>
internal sealed partial class TableSetup(
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
        var has = IsProvisioned(table)
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
            await ChangeAsync(setting, Describe(wanted), () => CreateIndexAsync(wanted, ThroughputOf(table), cancellationToken));
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
    private async Task CreateIndexAsync(IndexDefinition index, ProvisionedThroughput? throughput, CancellationToken cancellationToken)
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
                            ProvisionedThroughput = throughput,
                        },
                    },
                ],
            },
            cancellationToken);
        await WaitActiveAsync(cancellationToken);
    }

    /// <summary>An index is billed like its table, whatever the definition would have.</summary>
    private ProvisionedThroughput? ThroughputOf(TableDescription table) => IsProvisioned(table)
        ? spec.Throughput ?? new ProvisionedThroughput(table.ProvisionedThroughput.ReadCapacityUnits ?? 1, table.ProvisionedThroughput.WriteCapacityUnits ?? 1)
        : null;

    // A table that was created as provisioned and never switched has no summary.
    private static bool IsProvisioned(TableDescription table) => table.BillingModeSummary?.BillingMode != Amazon.DynamoDBv2.BillingMode.PAY_PER_REQUEST;

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
        catch (Exception e) when (e is IgnoredSettingException || (target.IsEmulator && e is AmazonDynamoDBException { ErrorCode: "ValidationException", Message: "Nothing to update" }))
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

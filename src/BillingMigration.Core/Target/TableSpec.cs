using System.Collections.Immutable;
using Amazon.DynamoDBv2;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Definition;

namespace BillingMigration.Target;

/// <summary>A table as the definition wants it.</summary>
internal sealed record TableSpec
{
    public const string PartitionKey = "pk";
    public const string SortKey = "sk";

    public required string Name { get; init; }

    /// <summary>For texts: <c>billing table</c>, <c>control table</c>.</summary>
    public required string Role { get; init; }

    public ImmutableArray<IndexDefinition> Indexes { get; init; } = [];

    public Definition.BillingMode BillingMode { get; init; }

    public long? ReadUnits { get; init; }

    public long? WriteUnits { get; init; }

    public string? KmsKeyId { get; init; }

    public bool Stream { get; init; }

    public ImmutableSortedDictionary<string, string> Tags { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    public static TableSpec Billing(TargetDefinition target) => new()
    {
        Name = target.Table,
        Role = "billing table",
        BillingMode = target.BillingMode,
        ReadUnits = target.ReadCapacityUnits,
        WriteUnits = target.WriteCapacityUnits,
        KmsKeyId = target.KmsKeyId,
        Stream = true,
        Tags = target.Tags,
    };

    /// <summary>Small and seldom written: paid per request. Encrypted and recoverable like the billing table, as it names rows by their keys.</summary>
    public static TableSpec Control(TargetDefinition target) => new()
    {
        Name = target.ControlTableName,
        Role = "control table",
        KmsKeyId = target.KmsKeyId,
        Tags = target.Tags,
    };

    public bool Provisioned => BillingMode == Definition.BillingMode.Provisioned;

    public ProvisionedThroughput? Throughput => Provisioned ? new ProvisionedThroughput(ReadUnits ?? 5, WriteUnits ?? 5) : null;

    public SSESpecification Encryption => new() { Enabled = true, SSEType = SSEType.KMS, KMSMasterKeyId = KmsKeyId };

    public List<Tag> TagList => Tags.Select(t => new Tag { Key = t.Key, Value = t.Value }).ToList();

    public static List<KeySchemaElement> Keys(string partition, string sort) =>
        [new(partition, KeyType.HASH), new(sort, KeyType.RANGE)];

    public static Projection ProjectionOf(IndexDefinition index) => index.Include switch
    {
        null => new Projection { ProjectionType = ProjectionType.ALL },
        { IsEmpty: true } => new Projection { ProjectionType = ProjectionType.KEYS_ONLY },
        { } names => new Projection { ProjectionType = ProjectionType.INCLUDE, NonKeyAttributes = [.. names] },
    };

    public static List<AttributeDefinition> Attributes(IEnumerable<IndexDefinition> indexes) =>
    [
        new(PartitionKey, ScalarAttributeType.S),
        new(SortKey, ScalarAttributeType.S),
        .. indexes.SelectMany(i => new[] { i.PartitionKeyAttribute, i.SortKeyAttribute }).Select(name => new AttributeDefinition(name, ScalarAttributeType.S)),
    ];

    public CreateTableRequest ToRequest() => new()
    {
        TableName = Name,
        AttributeDefinitions = Attributes(Indexes),
        KeySchema = Keys(PartitionKey, SortKey),
        GlobalSecondaryIndexes = Indexes.IsEmpty
            ? null
            : Indexes.Select(i => new GlobalSecondaryIndex
            {
                IndexName = i.Name,
                KeySchema = Keys(i.PartitionKeyAttribute, i.SortKeyAttribute),
                Projection = ProjectionOf(i),
                ProvisionedThroughput = Throughput,
            }).ToList(),
        BillingMode = Provisioned ? Amazon.DynamoDBv2.BillingMode.PROVISIONED : Amazon.DynamoDBv2.BillingMode.PAY_PER_REQUEST,
        ProvisionedThroughput = Throughput,
        SSESpecification = Encryption,
        StreamSpecification = Stream ? new StreamSpecification { StreamEnabled = true, StreamViewType = StreamViewType.NEW_AND_OLD_IMAGES } : null,
        DeletionProtectionEnabled = true,
        Tags = Tags.IsEmpty ? null : TagList,
    };

    /// <summary><c>pk (HASH, S), sk (RANGE, S)</c>.</summary>
    public static string Describe(IEnumerable<KeySchemaElement> keys, IEnumerable<AttributeDefinition> attributes) => string.Join(
        ", ", keys.Select(k => $"{k.AttributeName} ({k.KeyType}, {attributes.FirstOrDefault(a => a.AttributeName == k.AttributeName)?.AttributeType?.Value ?? "?"})"));

    public static string Describe(Projection projection) => projection.ProjectionType == ProjectionType.INCLUDE
        ? $"INCLUDE {string.Join(", ", (projection.NonKeyAttributes ?? []).Order(StringComparer.Ordinal))}"
        : projection.ProjectionType.Value;
}

using System.Collections.Immutable;

namespace BillingMigration.Definition;

/// <summary>What <c>migration.json</c> says: which source, which target, which entities under which keys.</summary>
public sealed record MigrationDefinition
{
    /// <summary>Names the migration in the control table: 1 to 64 of <c>A-Z a-z 0-9 . _ -</c>.</summary>
    public required string Name { get; init; }

    public required SourceDefinition Source { get; init; }

    public required TargetDefinition Target { get; init; }

    /// <summary>Ways between the sites, best first. Empty: straight to <see cref="Source"/> and <see cref="Target"/>.</summary>
    public ImmutableArray<PathDefinition> Paths { get; init; } = [];

    public ThrottleDefinition Throttle { get; init; } = new();

    public ImmutableArray<IndexDefinition> Indexes { get; init; } = [];

    public required ImmutableArray<EntityDefinition> Entities { get; init; }

    /// <summary>What applications that may not see everything see, by the view's name.</summary>
    public ImmutableSortedDictionary<string, ViewDefinition> Views { get; init; } = ImmutableSortedDictionary<string, ViewDefinition>.Empty;

    /// <summary>Name of the view through which a store reads; null: everything. Not of the file: see <see cref="Through"/>.</summary>
    public string? View { get; init; }

    /// <summary>Folder of the file it was read from: relative file names in it (CA files) start there. Null when built in memory.</summary>
    public string? BaseDirectory { get; init; }

    /// <summary>Null when built in memory.</summary>
    internal DefinitionPlaces? Places { get; init; }

    /// <summary>The same definition for a store that sees only what the view shows, and does not write.</summary>
    /// <exception cref="MigrationException"><c>ViewUnknown</c>.</exception>
    public MigrationDefinition Through(string view) => Views.ContainsKey(view)
        ? this with { View = view }
        : throw new MigrationException(
            "ViewUnknown",
            MigrationErrorKind.InvalidArgument,
            $"The definition '{Name}' has no view '{view}'. {(Views.IsEmpty ? "Add it under \"views\"." : $"It has: {string.Join(", ", Views.Keys)}.")}",
            view);
}

/// <summary>Columns that may be seen; of an entity that is not here, nothing. The equal of column-level grants.</summary>
/// <param name="Columns">By entity name.</param>
public sealed record ViewDefinition(ImmutableSortedDictionary<string, ImmutableArray<string>> Columns)
{
    /// <summary>True when the view shows the column.</summary>
    public bool Shows(string entity, string column) => Columns.TryGetValue(entity, out var columns) && columns.Contains(column, StringComparer.OrdinalIgnoreCase);
}

/// <summary>The on-premises MySQL or MariaDB server. A password never stands here.</summary>
public sealed record SourceDefinition
{
    public required string Host { get; init; }

    /// <summary>TCP port, 1 to 65535.</summary>
    public int Port { get; init; } = 3306;

    public required string Database { get; init; }

    public SourceTlsDefinition Tls { get; init; } = new();

    /// <summary>Compress the MySQL protocol (zlib or zstd as the server offers): for slow links.</summary>
    public bool Compression { get; init; }
}

public enum SourceTlsMode
{
    /// <summary>Certificate chain and host name are verified.</summary>
    VerifyFull,

    /// <summary>Certificate chain is verified, the name is not: for MySQL's automatic certificates, which carry no name.</summary>
    VerifyCA,

    /// <summary>No TLS; accepted for a loopback address only.</summary>
    None,
}

public sealed record SourceTlsDefinition
{
    public SourceTlsMode Mode { get; init; } = SourceTlsMode.VerifyFull;

    /// <summary>PEM file of the certificate authority; null: the machine's own trust store.</summary>
    public string? CaFile { get; init; }
}

public enum BillingMode
{
    PayPerRequest,
    Provisioned,
}

/// <summary>The DynamoDB side.</summary>
public sealed record TargetDefinition
{
    /// <summary>AWS Region, for example <c>eu-central-1</c>; null: from the session or the profile.</summary>
    public string? Region { get; init; }

    /// <summary>Endpoint other than the Region's own (VPC endpoint, DynamoDB Local). <c>http</c> only to loopback.</summary>
    public Uri? EndpointUrl { get; init; }

    /// <summary>Billing table: 3 to 255 of <c>A-Z a-z 0-9 . _ -</c>.</summary>
    public required string Table { get; init; }

    /// <summary>Control table; null: <c>{Table}-migration</c>.</summary>
    public string? ControlTable { get; init; }

    public BillingMode BillingMode { get; init; } = BillingMode.PayPerRequest;

    /// <summary>Provisioned only: read capacity units per second.</summary>
    public long? ReadCapacityUnits { get; init; }

    /// <summary>Provisioned only: write capacity units per second.</summary>
    public long? WriteCapacityUnits { get; init; }

    /// <summary>KMS key (id, ARN or alias); null: the key that AWS manages for DynamoDB (<c>aws/dynamodb</c>).</summary>
    public string? KmsKeyId { get; init; }

    /// <summary>Data key of the columns that are <see cref="ColumnDefinition.Encrypt">encrypted</see>; null: none is.</summary>
    public EncryptionDefinition? Encryption { get; init; }

    public ImmutableSortedDictionary<string, string> Tags { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>US dollars per million write request units, for the plan's estimate.</summary>
    public decimal PricePerMillionWriteUnits { get; init; } = 0.625m;

    public string ControlTableName => ControlTable ?? Table + "-migration";
}

/// <summary>The data key with which chosen columns are encrypted before they leave this machine. KMS makes it; wrapped by KMS it stands in the control table.</summary>
public sealed record EncryptionDefinition
{
    /// <summary>Symmetric KMS key (id, ARN or alias) that wraps the data key.</summary>
    public required string KmsKeyId { get; init; }

    /// <summary>KMS endpoint other than the Region's own (VPC endpoint, emulator). <c>http</c> only to loopback.</summary>
    public Uri? KmsEndpointUrl { get; init; }
}

public enum PathKind
{
    DirectConnect,
    Vpn,
    Internet,
}

/// <summary>One way between the sites: what it replaces of source and target when it is used.</summary>
public sealed record PathDefinition
{
    public required string Name { get; init; }

    public required PathKind Kind { get; init; }

    public string? SourceHost { get; init; }

    public int? SourcePort { get; init; }

    public Uri? TargetEndpointUrl { get; init; }
}

/// <summary>Upper limits; null is no limit. All rates are per second and for the whole job on this machine.</summary>
public sealed record ThrottleDefinition
{
    public double? ItemsPerSecond { get; init; }

    /// <summary>Bytes of request body per second.</summary>
    public double? BytesPerSecond { get; init; }

    /// <summary>Write capacity units per second, table and indexes together, as DynamoDB reports them.</summary>
    public double? WriteUnitsPerSecond { get; init; }

    /// <summary>Rows read from the source per second.</summary>
    public double? RowsPerSecond { get; init; }

    /// <summary>No new chunk is read while the source's <c>Threads_running</c> is above this.</summary>
    public int? MaxThreadsRunning { get; init; }

    /// <summary>An outage of source, table or control table is waited out for so many minutes; a job that follows waits without limit.</summary>
    public double OutageMinutes { get; init; } = 60;

    /// <summary>Key ranges read at the same time, 1 to 64.</summary>
    public int Readers { get; init; } = 4;

    /// <summary>Batches under way at the same time, 1 to 256.</summary>
    public int Writers { get; init; } = 16;
}

/// <summary>A global secondary index. Its key attributes are <c>{Name}pk</c> and <c>{Name}sk</c>, both strings.</summary>
public sealed record IndexDefinition
{
    public required string Name { get; init; }

    /// <summary>Attributes projected besides the keys; null projects all, empty projects keys only.</summary>
    public ImmutableArray<string>? Include { get; init; }

    public string PartitionKeyAttribute => Name + "pk";

    public string SortKeyAttribute => Name + "sk";
}

/// <summary>One entity of the billing domain: a source table and its place in the single table.</summary>
public sealed record EntityDefinition
{
    /// <summary>Entity name, for example <c>BILLING_ACCOUNT</c>; stands in the item's <c>entity</c> attribute.</summary>
    public required string Entity { get; init; }

    public required string Table { get; init; }

    public required KeyTemplate PartitionKey { get; init; }

    public required KeyTemplate SortKey { get; init; }

    /// <summary>Keys in the indexes, by index name; an index that is not here does not hold this entity.</summary>
    public ImmutableSortedDictionary<string, IndexKeyDefinition> Indexes { get; init; } = ImmutableSortedDictionary<string, IndexKeyDefinition>.Empty;

    /// <summary>Rows of other tables whose columns the key templates may use as <c>{lookup.column}</c>, by lookup name.</summary>
    public ImmutableSortedDictionary<string, LookupDefinition> Lookups { get; init; } = ImmutableSortedDictionary<string, LookupDefinition>.Empty;

    /// <summary>What to do with single columns; a column that is not here becomes the attribute of the same name.</summary>
    public ImmutableSortedDictionary<string, ColumnDefinition> Columns { get; init; } =
        ImmutableSortedDictionary.Create<string, ColumnDefinition>(StringComparer.OrdinalIgnoreCase);
}

/// <summary>
/// Key of an entity in an index. Of each list the first template whose columns are all NOT NULL is used; where there is none, or
/// <see cref="When"/> does not hold, the item is not in the index.
/// </summary>
public sealed record IndexKeyDefinition
{
    public required ImmutableArray<KeyTemplate> PartitionKey { get; init; }

    public required ImmutableArray<KeyTemplate> SortKey { get; init; }

    public ColumnCondition? When { get; init; }
}

/// <summary>Holds when the column's canonical text is one of the values.</summary>
public sealed record ColumnCondition(string Column, ImmutableArray<string> In);

/// <summary>The one row of <see cref="Table"/> that this entity's row refers to: a foreign key, child column to parent column.</summary>
public sealed record LookupDefinition(string Table, ImmutableSortedDictionary<string, string> On);

public enum AttributeType
{
    /// <summary>String.</summary>
    S,

    /// <summary>Number: up to 38 significant digits.</summary>
    N,

    /// <summary>Binary.</summary>
    B,
}

public sealed record ColumnDefinition
{
    /// <summary>Attribute name; null: the column's name.</summary>
    public string? Attribute { get; init; }

    /// <summary>Attribute type other than the column type's own: <c>S</c> for a number that may exceed DynamoDB's range, <c>N</c> for a DECIMAL of more than 38 digits.</summary>
    public AttributeType? Type { get; init; }

    /// <summary>Personal or secret: masked wherever it is shown.</summary>
    public bool Sensitive { get; init; }

    /// <summary>Encrypted on this machine with the data key of <see cref="TargetDefinition.Encryption"/>; sensitive as well.</summary>
    public bool Encrypt { get; init; }

    /// <summary>Not migrated. The way back then needs a default for it.</summary>
    public bool Exclude { get; init; }
}

using System.Collections.Immutable;

namespace BillingMigration.Source.Changes;

/// <summary>What a statement in the binlog does to tables that are migrated, or whose changes reach them. In the order of strictness.</summary>
internal enum StatementEffect
{
    /// <summary>No row of them changes, and none is laid out otherwise.</summary>
    None,

    /// <summary>Rows of them may have changed, and the binlog does not say which.</summary>
    Rows,

    /// <summary>A foreign key of one of them has come or gone: rows are as they were, later cascades may not be.</summary>
    ForeignKeyChange,

    /// <summary>Columns of one of them, or its primary key, are others, or that cannot be told.</summary>
    LayoutChange,

    /// <summary>One of them has come, gone or got another name, or that cannot be told.</summary>
    NameChange,
}

/// <param name="Kind">As the operator knows it: <c>ALTER TABLE</c>.</param>
/// <param name="Tables">The tables that it concerns.</param>
/// <param name="ConcernsAll">True when it may concern every table.</param>
internal sealed record StatementVerdict(StatementEffect Effect, string Kind, ImmutableArray<TableName> Tables, bool ConcernsAll = false)
{
    public static readonly StatementVerdict Harmless = new(StatementEffect.None, "", []);

    public static StatementVerdict Unknown(string kind) => new(StatementEffect.Rows, kind, [], ConcernsAll: true);

    /// <summary>What holds when either may be right.</summary>
    public StatementVerdict Stricter(StatementVerdict other)
    {
        var (strict, mild) = Effect >= other.Effect ? (this, other) : (other, this);
        return mild.Effect == StatementEffect.None ? strict
            : strict with { Tables = [.. strict.Tables.Union(mild.Tables)], ConcernsAll = strict.ConcernsAll || mild.ConcernsAll };
    }
}

/// <summary>Compared without regard to case: a server that tells cases apart is read more strictly than it needs.</summary>
internal readonly record struct TableName(string Database, string Name)
{
    /// <summary>In place of a name: each table of the database.</summary>
    public const string Every = "*";

    public bool Covers(TableName table) => Equals(table) || (Name == Every && Database.Equals(table.Database, StringComparison.OrdinalIgnoreCase));

    public override string ToString() => $"{Database}.{Name}";

    public bool Equals(TableName other) =>
        Database.Equals(other.Database, StringComparison.OrdinalIgnoreCase) && Name.Equals(other.Name, StringComparison.OrdinalIgnoreCase);

    public override int GetHashCode() =>
        HashCode.Combine(StringComparer.OrdinalIgnoreCase.GetHashCode(Database), StringComparer.OrdinalIgnoreCase.GetHashCode(Name));
}

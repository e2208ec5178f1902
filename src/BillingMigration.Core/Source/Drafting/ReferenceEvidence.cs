using System.Globalization;
using BillingMigration.Model;
using MySqlConnector;

namespace BillingMigration.Source.Drafting;

/// <summary>What the rows say of a reference that no foreign key declares.</summary>
/// <param name="Rows">Rows that were looked at: those that refer to something, at most <see cref="Most"/>.</param>
/// <param name="Orphans">Those whose row in the other table is not there.</param>
/// <param name="Parents">Different rows that they refer to.</param>
internal sealed record ReferenceEvidence(long Rows, long Orphans, long Parents)
{
    private const int Most = 10_000;
    private const int IllegalMix = 1267;
    private const int IllegalMixOfMany = 1271;

    /// <summary>True: at least one row contradicts it.</summary>
    public bool IsRefuted => Orphans > 0;

    /// <summary>True: every row refers to another one. Two tables that both count from 1 look like that too.</summary>
    public bool IsOneToOne => Rows == Parents;

    /// <exception cref="MySqlException">The connection failed.</exception>
    public static async Task<ReferenceEvidence> LookAsync(
        MySqlConnection connection, string database, TableSchema child, TableSchema parent, IReadOnlyDictionary<string, string> parentToChild, CancellationToken cancellationToken)
    {
        string Table(TableSchema table) => $"{SelectStatement.Name(database)}.{SelectStatement.Name(table.Name)}";
        var pairs = parentToChild.Select(p => (Parent: SelectStatement.Name(p.Key), Child: SelectStatement.Name(p.Value))).ToArray();
        var sql = $"""
            SELECT COUNT(*), COALESCE(SUM(p.{pairs[0].Parent} IS NULL), 0), COUNT(DISTINCT {string.Join(", ", pairs.Select(p => "c." + p.Child))})
            FROM (SELECT {string.Join(", ", pairs.Select(p => p.Child))} FROM {Table(child)} WHERE {string.Join(" AND ", pairs.Select(p => p.Child + " IS NOT NULL"))}
                  LIMIT {Most.ToString(CultureInfo.InvariantCulture)}) c
            LEFT JOIN {Table(parent)} p ON {string.Join(" AND ", pairs.Select(p => $"p.{p.Parent} = c.{p.Child}"))}
            """;
        try
        {
            await using var command = new MySqlCommand(sql, connection);
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            await reader.ReadAsync(cancellationToken);
            return new ReferenceEvidence(reader.GetInt64(0), Convert.ToInt64(reader.GetValue(1), CultureInfo.InvariantCulture), reader.GetInt64(2));
        }
        catch (MySqlException e) when ((int)e.ErrorCode is IllegalMix or IllegalMixOfMany)
        {
            // Texts that the server itself does not compare refer to nothing.
            return new ReferenceEvidence(1, 1, 1);
        }
    }
}

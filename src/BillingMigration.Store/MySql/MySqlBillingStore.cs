using System.Collections.Immutable;
using System.Data;
using System.Globalization;
using System.Runtime.CompilerServices;
using BillingMigration.Definition;
using BillingMigration.Model;
using BillingMigration.Source;
using MySqlConnector;

namespace BillingMigration.Store.MySql;

/// <summary>The billing database on MySQL or MariaDB.</summary>
public sealed class MySqlBillingStore : BillingStore, IWarmStore
{
    private const int RowsPerPage = 1_000;

    private readonly StoreConnections connections;
    private readonly MySqlWriter writer;

    private MySqlBillingStore(BillingModel model, StoreConnections connections, TimeProvider time, IWriteGate? gate)
        : base(model, time) => (this.connections, writer) = (connections, new MySqlWriter(connections, gate));

    /// <summary>The store of a migration's source, with its credential.</summary>
    /// <exception cref="MigrationException">The source cannot be reached, or refuses.</exception>
    public static Task<MySqlBillingStore> OpenAsync(MigrationSession session, CancellationToken cancellationToken) =>
        OpenAsync(session.Definition, session.Source.Credential, session.Time, cancellationToken);

    /// <exception cref="MigrationException">The source cannot be reached, or refuses.</exception>
    public static Task<MySqlBillingStore> OpenAsync(MigrationDefinition definition, SourceCredential credential, TimeProvider time, CancellationToken cancellationToken) =>
        OpenAsync(definition, credential, gate: null, time, cancellationToken);

    internal static Task<MySqlBillingStore> OpenAsync(MigrationDefinition definition, SourceCredential credential, IWriteGate? gate, TimeProvider time, CancellationToken cancellationToken) =>
        SourceErrors.NameBrokenAsync(definition.Source, () => OpenOnceAsync(definition, credential, gate, time, cancellationToken), cancellationToken);

    private static async Task<MySqlBillingStore> OpenOnceAsync(MigrationDefinition definition, SourceCredential credential, IWriteGate? gate, TimeProvider time, CancellationToken cancellationToken)
    {
        var connections = StoreConnections.Open(definition, credential);
        try
        {
            await using var connection = await connections.OpenAsync(cancellationToken);
            var tables = await SchemaInspector.InspectAsync(connection, definition.Source.Database, BillingModel.TablesOf(definition), cancellationToken);
            return new MySqlBillingStore(BillingModel.Bind(definition, tables), connections, time, gate);
        }
        catch
        {
            await connections.DisposeAsync();
            throw;
        }
    }

    private protected override ValueTask CloseAsync() => connections.DisposeAsync();

    Task IWarmStore.WarmAsync(int connections, bool writes, CancellationToken cancellationToken) => this.connections.WarmAsync(connections, cancellationToken);

    private protected override async Task<RowBuffer?> GetAsync(EntityModel entity, RowBuffer key, CancellationToken cancellationToken)
    {
        var select = new SelectStatement(entity);
        // A collation may take another text for the same.
        return (await RowsAsync(entity, select, select.ByKeys([key]), cancellationToken)).Find(row => !row.Differs(key, entity.PrimaryKey));
    }

    private protected override async IAsyncEnumerable<RowBuffer> ReadAsync(BoundQuery query, AccessPath path, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var select = new SelectStatement(query.Model);
        var size = Math.Clamp(query.Wanted ?? RowsPerPage, 1, RowsPerPage);
        var after = query.After;
        List<RowBuffer> page;
        do
        {
            var conditions = SqlConditions.Of(query.Model, select, query.Conditions).Concat(after is { } place ? [SqlConditions.Behind(query, select, place)] : []);
            page = await RowsAsync(query.Model, select, select.Find([.. conditions], SqlConditions.OrderOf(query, select), query.Descending, size), cancellationToken);
            foreach (var row in page)
            {
                yield return row;
            }

            after = page.Count == size ? query.PlaceOf(page[^1]) : null;
        }
        while (page.Count == size);
    }

    private protected override Task<ImmutableArray<BillingRecord?>> WriteAsync(ImmutableArray<PlannedChange> changes, CancellationToken cancellationToken) =>
        writer.WriteAsync(changes, cancellationToken);

    private protected override async Task<IReadOnlyList<TotalRow>> TotalAsync(BoundTotals query, AccessPath path, CancellationToken cancellationToken)
    {
        var select = new SelectStatement(query.Model);
        var groups = query.GroupBy.Select(i => SqlConditions.GroupOf(query.Model, select, i))
            .Concat(query.MonthOf is { } month ? [$"LEFT(CAST({select.ColumnName(month)} AS CHAR), 7)"] : []).ToArray();
        var sums = query.Sums.Select(i => $"CAST(SUM({select.ColumnName(i)}) AS CHAR)");
        var conditions = SqlConditions.Of(query.Model, select, query.Conditions).ToArray();
        var sql = $"SELECT {string.Join(", ", [.. groups, "COUNT(*)", .. sums])} FROM {select.From}"
            + (conditions.Length == 0 ? "" : $" WHERE {string.Join(" AND ", conditions)}")
            + (groups.Length == 0 ? "" : $" GROUP BY {string.Join(", ", Enumerable.Range(1, groups.Length))}");
        return TotalOrder.Sort(await connections.ReadAsync(
            query.Model.Table.Name,
            async connection =>
            {
                await using var command = new MySqlCommand(sql, connection);
                await using var reader = await command.ExecuteReaderAsync(cancellationToken);
                var rows = new List<TotalRow>();
                while (await reader.ReadAsync(cancellationToken))
                {
                    string? Text(int i) => reader.IsDBNull(i) ? null : reader.GetValue(i) is byte[] bytes ? System.Text.Encoding.UTF8.GetString(bytes) : Convert.ToString(reader.GetValue(i), CultureInfo.InvariantCulture);
                    string? Group(int i) => i < query.GroupBy.Length && Text(i) is { } text ? SqlConditions.GroupText(query.Model, query.GroupBy[i], text) : Text(i);
                    rows.Add(new TotalRow(
                        [.. Enumerable.Range(0, groups.Length).Select(Group)], reader.GetInt64(groups.Length), [.. Enumerable.Range(groups.Length + 1, query.Sums.Length).Select(Text)]));
                }

                return rows;
            },
            cancellationToken));
    }

    private Task<List<RowBuffer>> RowsAsync(EntityModel entity, SelectStatement select, string sql, CancellationToken cancellationToken) => connections.ReadAsync(
        entity.Table.Name,
        async connection =>
        {
            var reader = new RowReader(entity, select);
            await using var command = new MySqlCommand(sql, connection);
            await using var found = await command.ExecuteReaderAsync(cancellationToken);
            var rows = new List<RowBuffer>();
            while (await found.ReadAsync(cancellationToken))
            {
                var row = new RowBuffer(entity.Row.Length);
                reader.Read(found, row);
                rows.Add(row);
            }

            return rows;
        },
        cancellationToken);
}

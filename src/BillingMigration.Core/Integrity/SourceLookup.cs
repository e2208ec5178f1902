using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using BillingMigration.Model;
using BillingMigration.Snapshot;
using BillingMigration.Source;
using MySqlConnector;

namespace BillingMigration.Integrity;

/// <summary>A row as the source has it now, as an item.</summary>
/// <param name="Item">Canonical bytes; null when the row cannot be an item.</param>
/// <param name="KeyText">JSON object of its key; null when the row cannot be an item.</param>
internal sealed record FoundRow(RowBuffer Row, byte[]? Item, string? KeyText, RowRefusal Refusal);

/// <summary>Reads rows of the source by their primary keys.</summary>
/// <param name="patience">How long a source is waited for; null: as the migration's retry policy says.</param>
internal sealed class SourceLookup(MigrationSession session, ImmutableArray<EntityModel> models, TimeSpan? patience = null) : IAsyncDisposable
{
    private const int RowsPerStatement = 100;

    private readonly SemaphoreSlim one = new(1);
    private readonly bool locks = SourceVisibility.NeedsLocks(session.Source.Server);
    private MySqlConnection? connection;

    /// <summary>The rows that are there, by the description of their primary key.</summary>
    public async Task<IReadOnlyDictionary<string, FoundRow>> ReadAsync(int entity, IReadOnlyCollection<RowBuffer> keys, CancellationToken cancellationToken)
    {
        var found = new Dictionary<string, FoundRow>(keys.Count, StringComparer.Ordinal);
        await one.WaitAsync(cancellationToken);
        try
        {
            foreach (var part in keys.Chunk(RowsPerStatement))
            {
                await WithRetryAsync(entity, token => ReadPartAsync(models[entity], new SelectStatement(models[entity]).ByKeys(part), found, token), cancellationToken);
            }
        }
        finally
        {
            one.Release();
        }

        return found;
    }

    /// <summary>Rows that have some values in some columns, by the description of their primary key.</summary>
    /// <param name="columns">Indexes in the row's layout.</param>
    /// <param name="most">No more rows than these.</param>
    public async Task<IReadOnlyDictionary<string, FoundRow>> ReadAsync(int entity, int[] columns, byte[][] values, int most, CancellationToken cancellationToken)
    {
        var found = new Dictionary<string, FoundRow>(StringComparer.Ordinal);
        await ReadPageAsync(entity, new SelectStatement(models[entity]).ByColumns(columns, values, null, most), found, cancellationToken);
        return found;
    }

    /// <summary>All rows that have some values in some columns, page by page in the order of their primary key; each page is as the source has it when it is asked for.</summary>
    /// <param name="columns">Indexes in the row's layout.</param>
    public async IAsyncEnumerable<IReadOnlyCollection<FoundRow>> PagesAsync(
        int entity, int[] columns, byte[][] values, int rowsPerPage, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var select = new SelectStatement(models[entity]);
        var page = new Dictionary<string, FoundRow>(StringComparer.Ordinal);
        ImmutableArray<string>? last = null;
        do
        {
            last = await ReadPageAsync(entity, select.ByColumns(columns, values, last, rowsPerPage), page, cancellationToken);
            yield return [.. page.Values];
        }
        while (page.Count == rowsPerPage);
    }

    /// <summary>Where the source is now: nothing that was read before is newer.</summary>
    public async Task<SourcePosition> PositionAsync(CancellationToken cancellationToken)
    {
        SourcePosition position = null!;
        await one.WaitAsync(cancellationToken);
        try
        {
            await WithRetryAsync(0, async token => position = await SnapshotPosition.TakeEndAsync(connection!, session.Source.Server, token), cancellationToken);
        }
        finally
        {
            one.Release();
        }

        return position;
    }

    /// <summary>Returns when every transaction up to a position of the stream is seen by what is read next.</summary>
    public async Task SeeAsync(SourcePosition position, CancellationToken cancellationToken)
    {
        await one.WaitAsync(cancellationToken);
        try
        {
            await WithRetryAsync(0, token => SourceVisibility.WaitAsync(connection!, session.Source.Server, position, session.Time, token), cancellationToken);
        }
        finally
        {
            one.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        one.Dispose();
        if (connection is { } open)
        {
            await open.DisposeAsync();
        }
    }

    /// <returns>The primary key of the last row; null without any.</returns>
    private async Task<ImmutableArray<string>?> ReadPageAsync(int entity, string statement, Dictionary<string, FoundRow> page, CancellationToken cancellationToken)
    {
        ImmutableArray<string>? last = null;
        await one.WaitAsync(cancellationToken);
        try
        {
            await WithRetryAsync(
                entity,
                async token =>
                {
                    page.Clear();
                    last = await ReadPartAsync(models[entity], statement, page, token);
                },
                cancellationToken);
        }
        finally
        {
            one.Release();
        }

        return last;
    }

    private async Task WithRetryAsync(int entity, Func<CancellationToken, Task> read, CancellationToken cancellationToken)
    {
        var retry = new SourceRetry(session.Source, patience ?? session.Retry.GiveUpAfter, session.Time);
        while (true)
        {
            try
            {
                connection ??= await session.Source.OpenConnectionAsync(cancellationToken);
                await read(cancellationToken);
                return;
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested && e is not AnotherServerException && (e is MySqlException || SourceErrors.IsTransient(e)))
            {
                if (connection is { } broken)
                {
                    connection = null;
                    await broken.DisposeAsync();
                }

                if (e is MySqlException mysql && SourceErrors.FromStatement(mysql, models[entity].Table.Name) is { } final)
                {
                    throw final;
                }

                await retry.WaitAsync(e, cancellationToken);
            }
        }
    }

    /// <returns>The primary key of the last row; null without any.</returns>
    private async Task<ImmutableArray<string>?> ReadPartAsync(EntityModel model, string select, Dictionary<string, FoundRow> found, CancellationToken cancellationToken)
    {
        var statement = new SelectStatement(model);
        var reader = new RowReader(model, statement);
        var encoder = model.Keys.IsEmpty ? null : new ItemEncoder(model);
        var row = new RowBuffer(model.Row.Length);
        ImmutableArray<string>? last = null;
        using var batch = new ItemBatch();
        await using var command = new MySqlCommand(locks ? select + " LOCK IN SHARE MODE" : select, connection);
        await using var rows = await command.ExecuteReaderAsync(cancellationToken);
        while (await rows.ReadAsync(cancellationToken))
        {
            reader.Read(rows, row);
            last = reader.Key(row);
            batch.Clear();
            var refusal = default(RowRefusal);
            found[model.Describe(row)] = encoder?.TryEncode(row, batch, out refusal) == true
                ? new FoundRow(row.Copy(), batch.Item(0).ToArray(), System.Text.Encoding.UTF8.GetString(batch.Key(0).Span) + "}", default)
                : new FoundRow(row.Copy(), null, null, refusal);
        }

        return last;
    }
}

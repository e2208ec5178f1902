using System.Collections.Immutable;
using System.Runtime.CompilerServices;

namespace BillingMigration.Store;

/// <summary>One answer that differs between two backends. Values are not in it: they may be personal.</summary>
/// <param name="Call">The method, and its query.</param>
/// <param name="Row">Entity and primary key; null when the answers differ as a whole.</param>
/// <param name="Columns">Columns whose values differ; empty when a row is on one side only.</param>
/// <param name="What">In words.</param>
public sealed record StoreDifference(string Call, string? Row, ImmutableArray<string> Columns, string What);

/// <summary>
/// Asks two backends and answers as the first does; where the second answers otherwise, that is reported. It never fails because of the second. Writes go to the first alone.
/// </summary>
/// <param name="first">Whose answers the caller gets. Disposed with this.</param>
/// <param name="second">Disposed with this.</param>
/// <param name="report">Called for each difference, by several calls at the same time.</param>
public sealed class ComparingBillingStore(IBillingStore first, IBillingStore second, Action<StoreDifference> report) : IBillingStore
{
    internal IBillingStore First => first;

    public async Task<BillingRecord?> GetAsync(string entity, IReadOnlyDictionary<string, object> key, CancellationToken cancellationToken = default)
    {
        var other = CatchAsync(() => second.GetAsync(entity, key, cancellationToken));
        var answer = await CatchAsync(() => first.GetAsync(entity, key, cancellationToken));
        Compare($"Get {entity}", answer, await other, (one, two) => CompareRows($"Get {entity}", one is null ? [] : [one], two is null ? [] : [two]));
        return answer.Value();
    }

    public async IAsyncEnumerable<BillingRecord> QueryAsync(RecordQuery query, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var call = $"Query {query.Entity}";
        await using var other = second.QueryAsync(query, cancellationToken).GetAsyncEnumerator(cancellationToken);
        var isCompared = true;
        await foreach (var record in first.QueryAsync(query, cancellationToken))
        {
            isCompared = isCompared && await CompareNextAsync(call, record, other);
            yield return record;
        }

        _ = isCompared && await CompareNextAsync(call, null, other);
    }

    public async Task<RecordPage> PageAsync(RecordQuery query, int size, string? continuation = null, CancellationToken cancellationToken = default)
    {
        var call = $"Page {query.Entity}";
        var other = CatchAsync(() => second.PageAsync(query, size, continuation, cancellationToken));
        var answer = await CatchAsync(() => first.PageAsync(query, size, continuation, cancellationToken));
        Compare(call, answer, await other, (one, two) => CompareRows(call, one.Records, two.Records));
        return answer.Value();
    }

    public async Task<IReadOnlyList<TotalRow>> TotalAsync(TotalQuery query, CancellationToken cancellationToken = default)
    {
        var call = $"Total {query.Entity}";
        var other = CatchAsync(() => second.TotalAsync(query, cancellationToken));
        var answer = await CatchAsync(() => first.TotalAsync(query, cancellationToken));
        Compare(call, answer, await other, (one, two) =>
        {
            if (AnswerDifference.Of(call, one, two) is { } difference)
            {
                report(difference with { Columns = [.. query.Sums] });
            }
        });
        return answer.Value();
    }

    public Task<ImmutableArray<BillingRecord?>> WriteAsync(UnitOfWork work, CancellationToken cancellationToken = default) => first.WriteAsync(work, cancellationToken);

    public async ValueTask DisposeAsync()
    {
        await first.DisposeAsync();
        await second.DisposeAsync();
    }

    /// <param name="Error">Null when there is an answer.</param>
    private readonly record struct Outcome<T>(T? Answer, Exception? Error)
    {
        public T Value()
        {
            if (Error is not null)
            {
                System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(Error);
            }

            return Answer!;
        }
    }

    private static async Task<Outcome<T>> CatchAsync<T>(Func<Task<T>> call)
    {
        try
        {
            return new Outcome<T>(await call(), null);
        }
        catch (Exception e)
        {
            return new Outcome<T>(default, e);
        }
    }

    private void Compare<T>(string call, Outcome<T> one, Outcome<T> two, Action<T, T> answers)
    {
        if (one.Error is null && two.Error is null)
        {
            answers(one.Answer!, two.Answer!);
        }
        else if (one.Error?.GetType() != two.Error?.GetType() || (one.Error as StoreException)?.Error != (two.Error as StoreException)?.Error)
        {
            report(new StoreDifference(call, null, [], $"the first {AnswerDifference.Name(one.Error)}, the second {AnswerDifference.Name(two.Error)}"));
        }
    }

    private void CompareRows(string call, IReadOnlyList<BillingRecord> one, IReadOnlyList<BillingRecord> two)
    {
        for (var i = 0; i < Math.Max(one.Count, two.Count); i++)
        {
            if (!CompareRow(call, i < one.Count ? one[i] : null, i < two.Count ? two[i] : null))
            {
                return;
            }
        }
    }

    private async Task<bool> CompareNextAsync(string call, BillingRecord? record, IAsyncEnumerator<BillingRecord> other)
    {
        var next = await CatchAsync(async () => await other.MoveNextAsync() ? other.Current : null);
        if (next.Error is not null)
        {
            report(new StoreDifference(call, record?.ToString(), [], $"the first answers, the second {AnswerDifference.Name(next.Error)}"));
            return false;
        }

        return CompareRow(call, record, next.Answer);
    }

    /// <returns>False when the answers are out of step, and what follows says nothing any more.</returns>
    private bool CompareRow(string call, BillingRecord? one, BillingRecord? two)
    {
        if (AnswerDifference.Of(call, one, two, out var inStep) is { } difference)
        {
            report(difference);
        }

        return inStep;
    }
}

using Amazon.DynamoDBv2;
using Microsoft.Extensions.Time.Testing;

namespace BillingMigration.Tests.Transfer;

internal static class FakeTimes
{
    /// <summary>
    /// Lets time pass second by second until the task ends. Between two seconds a real request goes to the server and back, so that what the task
    /// itself has under way gets its answer in the meantime.
    /// </summary>
    public static async Task<T> WhilePassingAsync<T>(this Task<T> task, FakeTimeProvider time, IAmazonDynamoDB server)
    {
        while (!task.IsCompleted)
        {
            time.Advance(TimeSpan.FromSeconds(1));
            await server.ListTablesAsync(new Amazon.DynamoDBv2.Model.ListTablesRequest { Limit = 1 });
        }

        return await task;
    }

    /// <summary>Lets time pass in small steps until the task, which waits for nothing else, ends.</summary>
    public static async Task<TimeSpan> ElapsedUntilDoneAsync(this ValueTask task, FakeTimeProvider time)
    {
        var started = time.GetTimestamp();
        var done = task.AsTask();
        while (!done.IsCompleted)
        {
            time.Advance(TimeSpan.FromMilliseconds(1));
            await Task.Yield();
        }

        await done;
        return time.GetElapsedTime(started);
    }
}

using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text.Json;
using BillingMigration.Model;

namespace BillingMigration.Target;

/// <summary>Finds the ends of objects in JSON without reading what is in them: a page holds thousands of items, and each is parsed when it is looked at.</summary>
internal static class JsonSplit
{
    private static readonly SearchValues<byte> Structure = SearchValues.Create("\"{}"u8);

    /// <summary>Adds the objects of an array to a list.</summary>
    /// <param name="json">From the array's bracket on.</param>
    /// <returns>Index behind the array's closing bracket.</returns>
    /// <exception cref="JsonException">It is no array of objects.</exception>
    public static int Objects(ReadOnlyMemory<byte> json, List<ReadOnlyMemory<byte>> into)
    {
        var span = json.Span;
        for (var at = 1; ;)
        {
            at += SkipBlanks(span[at..]);
            switch (At(span, at))
            {
                case (byte)'{':
                    var length = EndOfObject(span[at..]);
                    into.Add(json.Slice(at, length));
                    at += length;
                    break;
                case (byte)',':
                    at++;
                    break;
                case (byte)']':
                    return at + 1;
                default:
                    throw new JsonException("an array holds something other than objects");
            }
        }
    }

    [MethodImpl(HotPath.Optimized)]
    private static int EndOfObject(ReadOnlySpan<byte> json)
    {
        var depth = 0;
        for (var at = 0; ;)
        {
            var next = json[at..].IndexOfAny(Structure);
            if (next < 0)
            {
                throw new JsonException("an object has no end");
            }

            at += next;
            switch (json[at++])
            {
                case (byte)'{':
                    depth++;
                    break;
                case (byte)'}':
                    if (--depth == 0)
                    {
                        return at;
                    }

                    break;
                default:
                    at = EndOfText(json, at);
                    break;
            }
        }
    }

    [MethodImpl(HotPath.Optimized)]
    private static int EndOfText(ReadOnlySpan<byte> json, int at)
    {
        while (true)
        {
            var next = json[at..].IndexOfAny((byte)'"', (byte)'\\');
            if (next < 0)
            {
                throw new JsonException("a text has no end");
            }

            at += next;
            if (json[at] == (byte)'"')
            {
                return at + 1;
            }

            at = Math.Min(at + 2, json.Length);
        }
    }

    private static byte At(ReadOnlySpan<byte> json, int at) => at < json.Length ? json[at] : throw new JsonException("an array has no end");

    private static int SkipBlanks(ReadOnlySpan<byte> json) => Math.Max(0, json.IndexOfAnyExcept(" \t\r\n"u8));
}

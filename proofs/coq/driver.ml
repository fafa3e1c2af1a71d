(* exactcam-check NETWORK SLICE CERTIFICATE. Reads the three files, asks `Checker.judge`, which is extracted from the
   proofs, and prints its verdict. Nothing here but `file`, `judged` and the printing of the verdict has to be trusted:
   what is read wrongly is not what `judge` prints again, and then it says Malformed. *)

open Checker
module Z = Zar

exception Refused of string
let refuse rule = raise (Refused rule)
let demand condition rule = if not condition then refuse rule

(* ---------- files *)
let contents path =
  let channel = open_in_bin path in
  let packed = (try input_char channel = '\x1f' && input_char channel = '\x8b' with End_of_file -> false) in
  let channel = if not packed then (seek_in channel 0; channel)
    else (close_in channel; Unix.open_process_args_in "gzip" [| "gzip"; "-dc"; path |]) in
  let buffer = Buffer.create 65536 and piece = Bytes.create 65536 in
  let rec go () = match input channel piece 0 65536 with 0 -> () | n -> Buffer.add_subbytes buffer piece 0 n; go () in
  go ();
  if packed then demand (Unix.close_process_in channel = Unix.WEXITED 0) "text" else close_in channel;
  Buffer.contents buffer

let byte = Array.init 256 Z.of_int
let file text i = if i < String.length text then byte.(Char.code text.[i]) else Z.minus_one
let bytes s = List.rev (String.fold_left (fun l c -> byte.(Char.code c) :: l) [] s)
let map f l = List.rev (List.rev_map f l)

(* ---------- JSON in canonical form, and no other *)
type json = Text of string | Number of string | Word of string | Array of json list | Object of (string * json) list

let parse text =
  let at = ref 0 in
  let peek () = if !at < String.length text then text.[!at] else '\000' in
  let expect c = demand (peek () = c) "json"; incr at in
  let rec run accepts from = if accepts (peek ()) then (incr at; run accepts from) else String.sub text from (!at - from) in
  let rec quoted from = match peek () with
    | '"' -> let s = String.sub text from (!at - from) in incr at; s
    | '\\' -> at := !at + 2; quoted from
    | ' ' .. '~' -> incr at; quoted from
    | _ -> refuse "json" in
  let rec separated one close items =
    let items = one () :: items in
    if peek () = ',' then (incr at; separated one close items) else (expect close; List.rev items) in
  let several one close = if peek () = close then (incr at; []) else separated one close [] in
  let rec value depth =
    demand (depth < 100) "json";
    match peek () with
    | '"' -> incr at; Text (quoted !at)
    | '[' -> incr at; Array (several (fun () -> value (depth + 1)) ']')
    | '{' -> incr at; Object (several (fun () -> expect '"'; let k = quoted !at in expect ':'; (k, value (depth + 1))) '}')
    | '0' .. '9' -> Number (run (function '0' .. '9' -> true | _ -> false) !at)
    | _ -> Word (run (function 'a' .. 'z' -> true | _ -> false) !at) in
  let v = value 0 in
  (v, !at)

let field name = function Object l -> (try List.assoc name l with Not_found -> refuse "keys") | _ -> refuse "keys"
let list f = function Array l -> map f l | _ -> refuse "array"
let text = function Text s -> s | _ -> refuse "text"
let natural = function Number s when String.length s <= 15 -> Z.of_string s | _ -> refuse "natural"
let hexadecimal s =
  demand (s <> "" && String.length s <= 65536 && String.for_all (function '0' .. '9' | 'a' .. 'f' | '-' -> true | _ -> false) s) "integer";
  try Z.of_string_base 16 s with _ -> refuse "integer"
let integer v = hexadecimal (text v)
let rational v = match String.split_on_char '/' (text v) with
  | [p] -> { above = hexadecimal p; below = Z.one }
  | [p; q] -> let q = hexadecimal q in demand (Z.gt q Z.one) "rational"; { above = hexadecimal p; below = q }
  | _ -> refuse "rational"
let pair v = match list rational v with [a; b] -> (a, b) | _ -> refuse "array"

let matrix v =
  let naturals name = list natural (field name v) in
  let entries = list integer (field "entries" v) in
  let shape () = match naturals "shape" with [r; c] -> (r, c) | _ -> refuse "shape" in
  match field "kind" v with
  | Text "dense" -> let r, c = shape () in Dense (r, c, entries)
  | Text "sparse" -> let r, c = shape () in Sparse (r, c, naturals "indptr", naturals "indices", entries)
  | Text "convolution" ->
      let transpose = (match field "transpose" v with Word "true" -> true | Word "false" -> false | _ -> refuse "convolution-transpose") in
      let terms = List.fold_left Z.mul Z.one (naturals "kernel" @ List.tl (naturals (if transpose then "source" else "target"))) in
      demand (Z.leq terms (Z.of_int (1 lsl 24))) "too-large";
      Convolution (transpose, entries, natural (field "groups" v), naturals "source", naturals "target", naturals "kernel",
                   naturals "stride", naturals "padding", naturals "dilation")
  | _ -> refuse "kind"
let piecewise v = { breakpoints = list rational (field "breakpoints" v); pieces = list pair (field "pieces" v) }
let node v = match field "op" v with
  | Text "affine" -> Affine (list natural (field "inputs" v), list matrix (field "matrices" v), list integer (field "bias" v), integer (field "scale" v))
  | Text "pointwise" -> Pointwise (natural (field "input" v), list piecewise (field "functions" v), list natural (field "which" v))
  | Text "max" -> Max (natural (field "input" v), list (list natural) (field "groups" v))
  | _ -> refuse "op"
let network v =
  let texts name = list (fun t -> bytes (text t)) (field name v) in
  { inputs = natural (field "inputs" v); nodes = list node (field "nodes" v); output = natural (field "output" v);
    names = texts "names"; notes = texts "notes" }
let slice v =
  let vector name = list rational (field name v) in
  { origin = vector "origin"; e1 = vector "e1"; e2 = vector "e2"; window = list pair (field "window" v) }

(* ---------- certificates *)
(* how many outputs compete: zero is the rival of a single one *)
let classes n =
  let size = function Affine (_, _, bias, _) -> List.length bias | Pointwise (_, _, which) -> List.length which | Max (_, groups) -> List.length groups in
  let k = Z.to_int n.output in
  demand (k <= List.length n.nodes) "natural";
  max 2 (if k = 0 then Z.to_int n.inputs else size (List.nth n.nodes (k - 1)))
let certificate classes contents =
  let at = ref 0 in
  let line () =
    let stop = (try String.index_from contents !at '\n' with Not_found | Invalid_argument _ -> refuse "line-is-too-long") in
    let l = String.sub contents !at (stop - !at) in at := stop + 1; l in
  let words () = String.split_on_char ' ' (line ()) in
  demand (words () = ["exactcam-certificate"; "2"]) "certificate-version";
  let named name = match words () with [n; x] when n = name -> x | _ -> refuse "line" in
  let network = named "network" in
  let slice = named "slice" in
  let notes = line () in
  demand (String.length notes > 6 && String.sub notes 0 6 = "notes ") "line";
  let notes, _ = parse (String.sub notes 6 (String.length notes - 6)) in
  let counts = (match words () with "counts" :: l when List.length l = 6 -> map hexadecimal l | _ -> refuse "line") in
  let points = Hashtbl.create 65536 and faces = Hashtbl.create 1024 in
  let ids below words =
    let l = map hexadecimal words in
    demand (List.for_all (fun n -> Z.sign n >= 0 && Z.lt n (Z.of_int below)) l && List.length (List.sort_uniq Z.compare l) = List.length l) "numbers";
    l in
  let known l = ids (Hashtbl.length points) l in
  let rec split before = function "=" :: after -> (List.rev before, after) | w :: t -> split (w :: before) t | [] -> refuse "numbers" in
  let rec go lines ties = match words () with
    | ["v"; x; y; w] when ties = [] ->
        let (x, y, w) as p = (hexadecimal x, hexadecimal y, hexadecimal w) in
        demand (Z.sign w > 0 && Z.equal (Z.gcd x (Z.gcd y w)) Z.one) "vertex-is-not-in-lowest-terms";
        demand (not (Hashtbl.mem points p)) "vertex-is-listed-twice";
        Hashtbl.add points p (); go (Vertex ((x, y), w) :: lines) ties
    | "c" :: l when ties = [] -> go (Piece (true, known l) :: lines) ties
    | "p" :: l when ties = [] -> go (Piece (false, known l) :: lines) ties
    | "t" :: l ->
        let face, outputs = split [] l in
        let face = known face in
        demand (face <> [] && not (Hashtbl.mem faces face)) "tie-is-listed-twice";
        Hashtbl.add faces face (); go lines ((face, ids classes outputs) :: ties)
    | ["end"] -> demand (!at = String.length contents) "line"; (List.rev lines, List.rev ties)
    | _ -> refuse "line" in
  let lines, ties = go [] [] in
  { network_hash = bytes network; slice_hash = bytes slice; told = list (fun t -> bytes (text t)) notes; counts; lines; ties }

(* ---------- hints *)
(* calls piece for every piece, which may begin a region, and then edge for each of its edges, from vertex to vertex *)
let walked certificate piece edge =
  List.iter (function
    | Vertex _ | Piece (_, []) -> ()
    | Piece (first, ids) ->
        piece first;
        let ids = map Z.to_int ids in
        ignore (List.fold_left (fun a b -> edge a b; b) (List.nth ids (List.length ids - 1)) ids)) certificate.lines

(* what is left of the edges, walked around the window from corner to corner *)
let sides slice certificate =
  let over (a, b) =
    let d = Z.lcm a.below b.below in
    (Z.mul a.above (Z.div d a.below), Z.mul b.above (Z.div d b.below), d) in
  let number = Hashtbl.create 65536 and left = Hashtbl.create 65536 and next = Hashtbl.create 1024 in
  List.iter (function Vertex ((x, y), w) -> Hashtbl.add number (x, y, w) (Hashtbl.length number) | Piece _ -> ()) certificate.lines;
  walked certificate ignore (fun a b -> if Hashtbl.mem left (b, a) then Hashtbl.remove left (b, a) else Hashtbl.replace left (a, b) ());
  Hashtbl.iter (fun (a, b) () -> Hashtbl.replace next a b) left;
  let rec walk steps here stop passed =
    if steps < 0 || (here = stop && passed <> []) then List.rev (here :: passed)
    else match Hashtbl.find_opt next here with Some there -> walk (steps - 1) there stop (here :: passed) | None -> List.rev (here :: passed) in
  let corners = map (fun c -> try Hashtbl.find number (over c) with Not_found -> 0) slice.window in
  match corners with
  | [] -> []
  | first :: rest -> List.map2 (fun a b -> map (fun i -> Z.of_int (i + 1)) (walk (Hashtbl.length next) a b [])) corners (rest @ [first])

(* for every region the first region of its linear region, and how many edges away: maps are the regions' output maps *)
let labels certificate maps =
  let maps = Array.of_list maps in
  let near = Array.make (Array.length maps) [] and left = Hashtbl.create 65536 and region = ref (-1) in
  let edge a b = match Hashtbl.find_opt left (b, a) with
    | Some other -> near.(other) <- !region :: near.(other); near.(!region) <- other :: near.(!region)
    | None -> Hashtbl.replace left (a, b) !region in
  walked certificate (fun first -> if first then incr region) edge;
  let found = Array.make (Array.length maps) (Z.one, Z.zero) and waiting = Queue.create () in
  let visit root depth r = if Z.equal (snd found.(r)) Z.zero then (found.(r) <- (root, depth); Queue.add r waiting) in
  Array.iteri (fun r _ ->
    visit (Z.of_int (r + 1)) Z.one r;
    while not (Queue.is_empty waiting) do
      let r = Queue.pop waiting in
      let root, depth = found.(r) in
      List.iter (fun other -> if maps.(other) = maps.(r) then visit root (Z.succ depth) other) near.(r)
    done) maps;
  Array.to_list found

(* ---------- SHA-256, to tell a mix-up from an error; no verdict rests on it *)
let sha256 message =
  let mask = 0xffffffff in
  let primes = List.filter (fun n -> let rec go d = d * d > n || (n mod d <> 0 && go (d + 1)) in go 2) (List.init 310 (fun k -> k + 2)) in
  let fraction root p =      (* the first 32 bits of the fraction of the root of p *)
    Z.to_int (Z.logand (Z.root (Z.shift_left (Z.of_int p) (32 * root)) root) (Z.of_int mask)) in
  let k = Array.of_list (List.map (fraction 3) primes) in
  let state = Array.sub (Array.of_list (List.map (fraction 2) primes)) 0 8 in
  let length = String.length message in
  let padded = Bytes.make ((length + 72) / 64 * 64) '\000' in
  Bytes.blit_string message 0 padded 0 length;
  Bytes.set padded length '\x80';
  Bytes.set_int64_be padded (Bytes.length padded - 8) (Int64.of_int (8 * length));
  let rotate x n = ((x lsr n) lor (x lsl (32 - n))) land mask in
  let w = Array.make 64 0 in
  for block = 0 to Bytes.length padded / 64 - 1 do
    for t = 0 to 15 do w.(t) <- Int32.to_int (Bytes.get_int32_be padded (64 * block + 4 * t)) land mask done;
    for t = 16 to 63 do
      let x = w.(t - 15) and y = w.(t - 2) in
      w.(t) <- (w.(t - 16) + w.(t - 7) + (rotate x 7 lxor rotate x 18 lxor (x lsr 3)) + (rotate y 17 lxor rotate y 19 lxor (y lsr 10))) land mask
    done;
    let v = Array.copy state in
    for t = 0 to 63 do
      let a = v.(0) and e = v.(4) in
      let one = v.(7) + (rotate e 6 lxor rotate e 11 lxor rotate e 25) + ((e land v.(5)) lxor (lnot e land v.(6))) + k.(t) + w.(t) in
      let two = (rotate a 2 lxor rotate a 13 lxor rotate a 22) + ((a land v.(1)) lxor (a land v.(2)) lxor (v.(1) land v.(2))) in
      Array.blit v 0 v 1 7; v.(4) <- (v.(4) + one) land mask; v.(0) <- (one + two) land mask
    done;
    Array.iteri (fun i x -> state.(i) <- (x + v.(i)) land mask) state
  done;
  String.concat "" (List.map (Printf.sprintf "%08x") (Array.to_list state))

let string_of bytes = String.of_seq (Seq.map (fun b -> Char.chr (Z.to_int b)) (List.to_seq bytes))
(* the text of a network file without names and notes *)
let hashed contents n =
  let texts key l = Printf.sprintf ",\"%s\":[%s]" key (String.concat "," (map (fun b -> "\"" ^ string_of b ^ "\"") l)) in
  let start = Printf.sprintf "{\"format\":\"exactcam-network\",\"inputs\":%s" (Z.to_string n.inputs) in
  let stop = Printf.sprintf ",\"output\":%s,\"version\":1}" (Z.to_string n.output) in
  let a = String.length start and b = String.length contents - 1 - String.length stop in
  let names = String.length (texts "names" n.names) and notes = String.length (texts "notes" n.notes) in
  demand (b - notes >= a + names) "json-is-not-canonical";
  start ^ String.sub contents (a + names) (b - notes - a - names) ^ stop

(* ---------- the verdict *)
let trust = "Verified rests on: Coq's kernel and the two axioms of its real numbers that proofs/coq/assumptions.txt names; the definitions
of proofs/coq/Claim.v and Format.v, which say what is claimed of which files; the extraction and the constants of Extract.v;
OCaml, zarith, GMP, gzip where a certificate is packed; and the few lines of driver.ml that read files and print the verdict.
Not on: parsers, hints, exactcam, Python, floating point, hashes."
let usage = "usage: exactcam-check [--echo] NETWORK SLICE CERTIFICATE, or exactcam-check --trust"
let echo n s c =
  let count l = List.length l in
  let rational q = if Z.equal q.below Z.one then Z.to_string q.above else Z.to_string q.above ^ "/" ^ Z.to_string q.below in
  let point l = "(" ^ String.concat ", " (map rational l) ^ ")" in
  Printf.printf "network of %s inputs, output value %s\n" (Z.to_string n.inputs) (Z.to_string n.output);
  List.iteri (fun k node -> Printf.printf "value %d: %s\n" (k + 1) (match node with
    | Affine (from, ms, bias, scale) ->
        let kind = function Dense _ -> "dense" | Sparse _ -> "sparse" | Convolution (t, _, _, _, _, _, _, _, _) -> if t then "transposed convolution" else "convolution" in
        Printf.sprintf "%d affine units of value %s, over %s" (count bias) (String.concat ", " (List.map2 (fun k m -> Z.to_string k ^ " (" ^ kind m ^ ")") from ms)) (Z.to_string scale)
    | Pointwise (from, fs, which) ->
        let f g = String.concat ", " (map rational g.breakpoints) ^ " -> " ^ String.concat ", " (map (fun (a, b) -> rational a ^ " x + " ^ rational b) g.pieces) in
        Printf.sprintf "%d units of value %s, breakpoints -> pieces: %s" (count which) (Z.to_string from) (String.concat "; " (map f fs))
    | Max (from, groups) -> Printf.sprintf "%d maxima of value %s" (count groups) (Z.to_string from))) n.nodes;
  List.iter (fun (name, v) -> Printf.printf "%s = %s\n" name (point v)) ["origin", s.origin; "e1", s.e1; "e2", s.e2];
  Printf.printf "window %s\n" (String.concat " " (map (fun (a, b) -> point [a; b]) s.window));
  let vertices, regions, pieces = List.fold_left (fun (v, r, p) -> function
    | Vertex _ -> (v + 1, r, p) | Piece (first, _) -> (v, (if first then r + 1 else r), p + 1)) (0, 0, 0) c.lines in
  Printf.printf "certificate of %d vertices, %d regions in %d pieces, %d ties\n" vertices regions pieces (count c.ties)

let judged echoing network_path slice_path certificate_path =
  let network_file = contents network_path and slice_file = contents slice_path and certificate_file = contents certificate_path in
  let s = slice (fst (parse slice_file)) in
  let n = network (fst (parse network_file)) in
  let c = certificate (classes n) certificate_file in
  if echoing then echo n s c;
  match judge n s c { around_window = sides s c; linear_labels = labels c } (file network_file) (file slice_file) (file certificate_file) with
  | Malformed -> (3, "malformed: proved checker; checker.py names the rule")
  | Rejected -> (1, "rejected: proved checker; checker.py names the rule")
  | Verified ->
      let network = sha256 (hashed network_file n) and slice = sha256 (String.sub slice_file 0 (String.length slice_file - 1)) in
      if network <> string_of c.network_hash then (1, "rejected: network-is-another")
      else if slice <> string_of c.slice_hash then (1, "rejected: slice-is-another")
      else let k = List.length n.notes in
        let what = ["activation regions"; "linear regions"; "affine pieces"; "segments"; "plateaus"; "isolated points"] in
        (0, Printf.sprintf "verified: %s; network %s, slice %s%s" (String.concat ", " (List.map2 (fun n w -> Z.to_string n ^ " " ^ w) c.counts what))
           network slice (if k = 0 then "" else Printf.sprintf "; %d substitution%s noted in the network" k (if k > 1 then "s" else "")))

let () =
  (* batches fit the second cache; what they leave behind is collected rarely while memory is small *)
  let tune overhead = Gc.set { (Gc.get ()) with minor_heap_size = 1 lsl 18; space_overhead = overhead; max_overhead = 1_000_000; major_heap_increment = 1 lsl 20 } in
  tune 2000;
  ignore (Gc.create_alarm (fun () -> tune (if (Gc.quick_stat ()).Gc.heap_words < 1 lsl 24 then 2000 else 120)));
  let status, verdict = (match List.tl (Array.to_list Sys.argv) with
    | ["--trust"] -> (0, trust)
    | arguments ->
        let echoing, paths = (match arguments with "--echo" :: paths -> (true, paths) | paths -> (false, paths)) in
        let paths = (match paths with "--" :: paths -> paths | paths -> paths) in
        match paths with
        | [network; slice; certificate] ->
            (try judged echoing network slice certificate with
             | Refused rule -> (3, "malformed: " ^ rule)
             | Sys_error message | Unix.Unix_error (_, message, _) -> (2, message)
             | Stack_overflow | Out_of_memory -> (2, "out of memory")
             | Z.Overflow | Failure _ | Invalid_argument _ -> (3, "malformed: too-large"))
        | _ -> (2, usage)) in
  print_endline verdict;
  exit status

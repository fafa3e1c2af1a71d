(* The files: what a network, a slice and a certificate are, and how each is printed.

   proofs/network.md and proofs/certificate.md in Coq. A file is accepted only if it is, byte for byte,
   what is printed here; who read it need not be trusted. *)
From Coq Require Import Ascii String ZArith List.
Import ListNotations.
Open Scope Z_scope.

(* ---------- what there is *)
Definition bytes := list Z.
Record rational := Rational { above : Z; below : positive }.

Inductive matrix :=
| Dense (rows columns : Z) (entries : list Z)
| Sparse (rows columns : Z) (indptr indices entries : list Z)
| Convolution (transpose : bool) (entries : list Z) (groups : Z) (source target kernel stride padding dilation : list Z).
Record piecewise := Piecewise { breakpoints : list rational; pieces : list (rational * rational) }.
Inductive node :=
| Affine (inputs : list Z) (matrices : list matrix) (bias : list Z) (scale : Z)
| Pointwise (input : Z) (functions : list piecewise) (which : list Z)
| Max (input : Z) (groups : list (list Z)).
Record network := Network { inputs : Z; nodes : list node; output : Z; names : list bytes; notes : list bytes }.

Record slice := Slice { origin : list rational; e1 : list rational; e2 : list rational; window : list (rational * rational) }.

Definition homogeneous := (Z * Z * Z)%type.    (* (x, y, w) is the point (x / w, y / w) *)
Inductive line :=
| Vertex (point : homogeneous)
| Piece (new : bool) (corners : list Z).        (* of a new region, or of the one before *)
Record certificate := Certificate {
  network_hash : bytes; slice_hash : bytes; told : list bytes;       (* told: the network's notes again *)
  counts : list Z; lines : list line; ties : list (list Z * list Z) }.

(* ---------- printing *)
Inductive text :=
| Bytes (b : bytes)
| Hexadecimal (n : Z)
| Decimal (n : Z)
| Then (a b : text)
| Each {A : Type} (print : A -> text) (separator : bytes) (l : list A).

Fixpoint literal (s : string) : bytes :=
  match s with EmptyString => [] | String c t => Z.of_N (N_of_ascii c) :: literal t end.
Definition digit (n : Z) : Z := if n <? 10 then 48 + n else 87 + n.     (* '0'.., 'a'.. *)
(* the last `many` digits of n, in base 16, in front of `rest` *)
Fixpoint last_digits (many : nat) (n : Z) (rest : bytes) : bytes :=
  match many with O => rest | S m => last_digits m (Z.shiftr n 4) (digit (Z.land n 15) :: rest) end.
Definition hexadecimal (n : Z) : bytes :=
  let size := S (Z.to_nat (Z.shiftr (Z.log2 (Z.abs n)) 2)) in
  if n <? 0 then 45 :: last_digits size (Z.abs n) [] else last_digits size n [].
Fixpoint decimal_digits (most : nat) (n : Z) (rest : bytes) : bytes :=
  match most with
  | O => rest
  | S m => let rest := digit (n mod 10) :: rest in if n <? 10 then rest else decimal_digits m (n / 10) rest
  end.
Definition decimal (n : Z) : bytes := decimal_digits (S (Z.to_nat (Z.log2 n))) n [].     (* of a natural number *)

Fixpoint join (separator : bytes) (l : list bytes) : bytes :=
  match l with [] => [] | [a] => a | a :: t => a ++ separator ++ join separator t end.
Fixpoint printed (t : text) : bytes :=
  match t with
  | Bytes b => b
  | Hexadecimal n => hexadecimal n
  | Decimal n => decimal n
  | Then a b => printed a ++ printed b
  | Each print separator l => join separator (map (fun a => printed (print a)) l)
  end.

Infix "&" := Then (at level 60, right associativity).
Definition word (s : string) : text := Bytes (literal s).
Definition comma := literal ",".
Definition quote := word """". Definition open_list := word "[". Definition close_list := word "]".
Definition list_of {A} (print : A -> text) (l : list A) : text := open_list & Each print comma l & close_list.

(* JSON in canonical form: keys in order, no white space *)
Definition natural (n : Z) : text := Decimal n.
Definition naturals : list Z -> text := list_of natural.
Definition integer (n : Z) : text := quote & Hexadecimal n & quote.
Definition integers : list Z -> text := list_of integer.
Definition over := word "/".
Definition ratio (q : rational) : text :=
  quote & Hexadecimal (above q) & (if Pos.eqb (below q) 1 then Bytes [] else over & Hexadecimal (Zpos (below q))) & quote.
Definition ratios : list rational -> text := list_of ratio.
Definition pair (p : rational * rational) : text := ratios [fst p; snd p].
Definition quoted (b : bytes) : text := quote & Bytes b & quote.     (* as it stands in the file, escapes and all *)

Definition print_matrix (m : matrix) : text :=
  match m with
  | Dense r c entries =>
      word "{""entries"":" & integers entries & word ",""kind"":""dense"",""shape"":" & naturals [r; c] & word "}"
  | Sparse r c indptr indices entries =>
      word "{""entries"":" & integers entries & word ",""indices"":" & naturals indices & word ",""indptr"":" & naturals indptr
      & word ",""kind"":""sparse"",""shape"":" & naturals [r; c] & word "}"
  | Convolution transpose entries groups source target kernel stride padding dilation =>
      word "{""dilation"":" & naturals dilation & word ",""entries"":" & integers entries & word ",""groups"":" & natural groups
      & word ",""kernel"":" & naturals kernel & word ",""kind"":""convolution"",""padding"":" & naturals padding
      & word ",""source"":" & naturals source & word ",""stride"":" & naturals stride & word ",""target"":" & naturals target
      & word ",""transpose"":" & word (if transpose then "true" else "false") & word "}"
  end.
Definition print_function (f : piecewise) : text :=
  word "{""breakpoints"":" & ratios (breakpoints f) & word ",""pieces"":" & list_of pair (pieces f) & word "}".
Definition print_node (n : node) : text :=
  match n with
  | Affine inputs matrices bias scale =>
      word "{""bias"":" & integers bias & word ",""inputs"":" & naturals inputs & word ",""matrices"":" & list_of print_matrix matrices
      & word ",""op"":""affine"",""scale"":" & integer scale & word "}"
  | Pointwise input functions which =>
      word "{""functions"":" & list_of print_function functions & word ",""input"":" & natural input
      & word ",""op"":""pointwise"",""which"":" & naturals which & word "}"
  | Max input groups =>
      word "{""groups"":" & list_of naturals groups & word ",""input"":" & natural input & word ",""op"":""max""}"
  end.
(* what the hash of a network is taken of has no names and no notes *)
Definition print_network (full : bool) (n : network) : text :=
  word "{""format"":""exactcam-network"",""inputs"":" & natural (inputs n)
  & (if full then word ",""names"":" & list_of quoted (names n) else Bytes []) & word ",""nodes"":" & list_of print_node (nodes n)
  & (if full then word ",""notes"":" & list_of quoted (notes n) else Bytes []) & word ",""output"":" & natural (output n)
  & word ",""version"":1}".
Definition print_slice (s : slice) : text :=
  word "{""e1"":" & ratios (e1 s) & word ",""e2"":" & ratios (e2 s) & word ",""format"":""exactcam-slice"",""origin"":" & ratios (origin s)
  & word ",""version"":1,""window"":" & list_of pair (window s) & word "}".

Definition new_line := Bytes [10].
Definition blank := word " ".
Definition numbers (l : list Z) : text := Each (fun n => blank & Hexadecimal n) [] l.
Definition v_ := word "v". Definition c_ := word "c". Definition p_ := word "p". Definition t_ := word "t". Definition equals := word " =".
Definition print_line (l : line) : text :=
  match l with
  | Vertex (x, y, w) => v_ & numbers [x; y; w] & new_line
  | Piece new corners => (if new then c_ else p_) & numbers corners & new_line
  end.
Definition print_tie (t : list Z * list Z) : text := t_ & numbers (fst t) & equals & numbers (snd t) & new_line.
Definition print_certificate (c : certificate) : text :=
  word "exactcam-certificate 2" & new_line & word "network " & Bytes (network_hash c) & new_line & word "slice " & Bytes (slice_hash c)
  & new_line & word "notes " & list_of quoted (told c) & new_line & word "counts" & numbers (counts c) & new_line
  & Each print_line [] (lines c) & Each print_tie [] (ties c) & word "end".

(* ---------- a file, as a function from positions to bytes, -1 at its end, holds a text *)
Definition file := nat -> Z.
Definition holds (f : file) (t : text) : Prop :=      (* the text and a newline, and nothing else *)
  forall k, (k <= length (printed (t & new_line)))%nat -> f k = nth k (printed (t & new_line)) (-1).

(* Hashes, names and notes are printed as they stand. These say that they cannot pass for anything else:
   a hash is made of hexadecimal digits, a text is ASCII without a quote that no backslash precedes. *)
Definition is_hash (b : bytes) : bool :=
  forallb (fun c => ((48 <=? c) && (c <=? 57) || (97 <=? c) && (c <=? 102))%bool) b.
Fixpoint is_text (b : bytes) : bool :=
  match b with
  | [] => true
  | 92 :: t => match t with [] => false | c :: t' => ((32 <=? c) && (c <=? 126) && is_text t')%bool end
  | c :: t => ((32 <=? c) && (c <=? 126) && negb (c =? 34) && is_text t)%bool
  end.
